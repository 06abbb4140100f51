#pragma once
// Writing datasets of voxels into one new HDF5 file, box by box, from one process. The file appears under its
// name when it is whole (publish()); until then it has a temporary name beside it, and it is removed again if
// the writer is destroyed before. Thread safety: one thread at a time.

#include "petavox/io/hdf5_codec.hpp"
#include "petavox/volume/volume.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace petavox {

struct Hdf5DatasetSpec {
  std::string dataset;  ///< absolute path; groups on the way are made
  DType dtype = DType::u8;
  Extent shape;
  Extent chunk_shape{64, 64, 64};  ///< clipped to the shape
  Hdf5Codec codec;
  VoxelSizeNm voxel_size_nm{1, 1, 1};
};

class Hdf5Writer {
 public:
  /// Throws Error{io} if the directory is missing or not writable.
  explicit Hdf5Writer(std::filesystem::path file);
  ~Hdf5Writer();
  Hdf5Writer(Hdf5Writer&&) noexcept;
  Hdf5Writer& operator=(Hdf5Writer&&) noexcept;

  /// Adds a dataset with axes z,y,x and returns its number. Throws Error{config} for impossible names or
  /// chunks.
  int add(const Hdf5DatasetSpec& spec);
  /// Stores the voxels of an array of one channel and the dataset's type. Its box must consist of whole
  /// chunks, but for the far faces of the dataset, and may be written once. Throws Error{io} or
  /// Error{resource}.
  void write(int dataset, const Array& voxels);
  /// Makes the file durable under its name. Throws Error{io} if that exists, unless `overwrite`. Nothing can
  /// be written afterwards.
  void publish(bool overwrite);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace petavox
