#pragma once
// A dataset that was opened and checked: what its header says, and all that reading it needs.
// Internal to petavox/io. Functions take the library's lock themselves.

#include "petavox/base/bytes.hpp"
#include "petavox/io/hdf5_filters.hpp"
#include "petavox/io/hdf5_library.hpp"
#include "petavox/io/hdf5_volume.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace petavox::hdf5 {

/// Lengths or positions along c, z, y, x.
using Shape4 = std::array<Index, 4>;

/// One source of a virtual dataset. The boxes have the same shape and all channels.
struct Mapping {
  std::string file;  ///< as stored: relative to the virtual dataset's directory, or "." for the same file
  std::string dataset;
  Box target, source;
  Index channels = 1;
};

struct Dataset {
  Handle file, dataset, memory_type;  // closed in reverse order
  Hdf5DatasetInfo info;
  int rank = 3;
  Shape4 shape{};
  std::optional<Shape4> chunk;
  std::size_t chunk_bytes = 0;  ///< in memory
  /// Size of a voxel in the file where chunks can be decoded outside the library; else 0.
  std::size_t decodable_voxel_bytes = 0;
  std::vector<FilterStep> filters;
  /// Chunks can be decoded outside the library: known filters, and voxels stored as they are in memory.
  bool direct = false;
  Bytes fill;  ///< one voxel
  bool is_virtual = false;
  std::vector<Mapping> mappings;
};

/// Opens and checks. Throws as open_hdf5_volume().
Dataset open_dataset(const std::filesystem::path& file, const std::string& dataset,
                     const Hdf5Options& options);

/// "file.h5:/dataset", for messages.
std::string where(const std::filesystem::path& file, const std::string& dataset);

/// Attributes with exactly `count` numbers, or a short text. Nothing if there is none such. Expects a Lock.
std::optional<std::vector<double>> read_doubles(hid_t object, const char* name, std::size_t count);
std::optional<std::vector<std::int64_t>> read_integers(hid_t object, const char* name, std::size_t count);
std::optional<std::vector<std::uint64_t>> read_unsigned(hid_t object, const char* name, std::size_t count);
std::optional<std::string> read_text(hid_t object, const char* name);

/// "uint8", "float64 big-endian", "bool", "compound", … Expects a Lock.
std::string type_text(hid_t type);

/// The type that the library converts voxels of `type` to and from in memory. Expects a Lock.
hid_t native_type(DType type);
/// The little-endian type in files. Expects a Lock.
hid_t stored_type(DType type);

}  // namespace petavox::hdf5
