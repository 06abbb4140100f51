#pragma once
// Reading HDF5 datasets that anyone wrote: three axes z,y,x, or four c,z,y,x; any chunking; no filter, gzip,
// shuffle, fletcher32 or blosc (filter 32001, built in), or any other filter that the HDF5 library finds.
// Promises: a file is hostile until checked. Only regular files are opened; external links, external storage
// and virtual datasets whose sources lie outside the file's own directory tree are refused; sizes are checked
// before allocation; a missing source or a damaged chunk is an error, never a fill value. (A chunk that a
// foreign writer never wrote reads as the dataset's fill value, as the format says.)
// Shards and shard sets of petavox are recognised, and each of their chunks is checked against its checksum.
// Thread safety: volumes may be read from any thread. Decompression runs outside the lock of the library.

#include "petavox/volume/volume.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace petavox {

struct Hdf5Options {
  /// Overrides what the file says; nanometres, z,y,x.
  std::optional<VoxelSizeNm> voxel_size_nm;
  /// Decoded chunks kept for the next reads. A box that cuts chunks would otherwise decode them again and
  /// again.
  std::size_t cache_bytes = std::size_t{64} << 20;
  /// A declared chunk above this is refused, before anything is allocated.
  std::size_t max_chunk_bytes = std::size_t{1} << 30;
};

/// What the header of a dataset says.
struct Hdf5DatasetInfo {
  std::filesystem::path file;
  std::string dataset;      ///< absolute path in the file
  std::string stored_type;  ///< "uint8", "float64 big-endian", "bool", …
  DType dtype = DType::u8;  ///< as it is read
  int channels = 1;
  Extent shape;
  std::string layout;                 ///< "chunked", "contiguous", "compact", "virtual"
  std::optional<Extent> chunk_shape;  ///< z,y,x
  std::vector<std::string> filters;   ///< "gzip 4", "shuffle", "blosc zstd 1", …
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  std::string voxel_size_source;  ///< "given", the name of the attribute, or "unknown"
  /// Attribute `offset`, nanometres, z,y,x: where the first voxel lies. Reported, not applied: coordinates
  /// start at 0.
  std::optional<std::array<double, 3>> offset_nm;
  std::vector<std::string> notes;  ///< conversions and oddities, one line each
};

class Hdf5Volume : public Volume {
 public:
  virtual const Hdf5DatasetInfo& info() const = 0;
};

/// Opens a dataset for reading; its domain starts at (0,0,0), but for a shard or shard set of petavox, where
/// it is what was written. The voxel size is `options.voxel_size_nm`, else the dataset's attribute
/// `voxel_size_nm` or `resolution` (nanometres z,y,x) or `element_size_um` (micrometres z,y,x), else 1,1,1.
/// Throws Error{io} if the file cannot be read or is refused (with the datasets that it holds if `dataset` is
/// missing), Error{config} for a rank other than 3 or 4 or a type that is no voxel type, Error{resource} for
/// sizes that cannot be.
std::unique_ptr<Hdf5Volume> open_hdf5_volume(const std::filesystem::path& file, const std::string& dataset,
                                             const Hdf5Options& options = {});

/// One line for each dataset in the file, in the order of the names: "/volumes/raw (5x500x500 uint8)". Links
/// are not followed out of the file; at most `limit` are listed. Throws Error{io} as open_hdf5_volume().
std::vector<std::string> list_hdf5_datasets(const std::filesystem::path& file, std::size_t limit = 1000);

/// Whether the file starts as an HDF5 file does (user blocks included). False for what is not a regular file.
bool is_hdf5_file(const std::filesystem::path& file);

}  // namespace petavox
