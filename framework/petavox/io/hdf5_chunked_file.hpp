#pragma once
// Making HDF5 files of chunks that were compressed beforehand. Internal to petavox/io and petavox/export.
// Functions take the library's lock themselves; one thread at a time for one file.

#include "petavox/io/hdf5_codec.hpp"
#include "petavox/io/hdf5_library.hpp"
#include "petavox/volume/volume.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace petavox::hdf5 {

struct ChunkedLayout {
  std::string dataset;  ///< absolute path; groups on the way are made
  DType dtype = DType::u8;
  int channels = 1;
  Extent shape, chunk_shape;
  Hdf5Codec codec;
};

/// File access of everything that petavox writes: a fixed version of the format (readable by HDF5 1.10 and
/// later), no file locks.
Handle writing_access();
/// File creation without times, so that equal content gives equal bytes.
Handle plain_file_creation();
/// Dataset creation: chunks, codec, no times, and as fill value one that stands out (fill_value()).
Handle creation_list(const ChunkedLayout& layout);
/// Adds the groups on the way and the dataset. 3-D for one channel, else c,z,y,x with one channel a chunk.
Handle create_dataset(const Handle& file, const ChunkedLayout& layout, const Handle& creation);
/// Sets the fill value of a dataset-creation list to the greatest value less one of an unsigned type, the
/// least of a signed one, NaN of a float: what another program shows where a shard is missing.
void set_fill_value(hid_t creation, DType dtype);

/// A file in the making. The library cannot forget a file that it fails to write (the disk is full): closing
/// fails, and the process crashes when it ends. So a file that is not wanted any more is first turned into
/// one in memory.
class NewFile {
 public:
  /// Throws Error{io} if the file exists or cannot be made.
  explicit NewFile(const std::string& path);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() { abandon(); }

  const Handle& handle() const { return handle_; }
  /// Expects that all objects in it are closed. Throws Error{io} or Error{resource}: the file is then
  /// abandoned.
  void close();
  /// What is still unwritten goes nowhere. Objects in it are to be closed after this and before the file.
  void abandon() noexcept;

 private:
  std::string path_;
  Handle handle_;
};

class ChunkedFile {
 public:
  /// Throws Error{io} if the file exists or cannot be made.
  ChunkedFile(const std::string& path, const ChunkedLayout& layout);
  ChunkedFile(const ChunkedFile&) = delete;
  ChunkedFile& operator=(const ChunkedFile&) = delete;
  ~ChunkedFile() { file_.abandon(); }

  const Handle& dataset() const { return dataset_; }
  /// Stores a whole chunk as encode_chunk() made it; `first` is its first voxel, in the dataset's
  /// coordinates.
  void put_chunk(int channel, Coord first, std::span<const std::byte> stored);
  /// A uint64 dataset of its own beside the voxels.
  void put_table(const std::string& name, std::span<const std::uint64_t> values);
  /// Throws Error{io} or Error{resource} if anything could not be written: the file is then worthless.
  void close();

 private:
  std::string path_;
  NewFile file_;
  Handle dataset_;
  bool with_channels_ = false;
};

/// Makes a file that was written and closed under `temporary` durable under the name `file` in the same
/// directory. Throws Error{io} if `file` exists, unless `overwrite`; `temporary` is gone afterwards in any
/// case.
void publish_written(const std::filesystem::path& temporary, const std::filesystem::path& file,
                     bool overwrite);

/// A name beside `file` that nobody else uses.
std::filesystem::path temporary_beside(const std::filesystem::path& file);

/// Removes a temporary file if its writing is left by an exception.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_{std::move(path)} {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace petavox::hdf5
