#pragma once
// How the chunks of an HDF5 dataset are compressed, in the words of the configuration.
// Values; thread-safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace petavox {

/// `none` stores chunks as they are. `gzip` is HDF5's own deflate filter: every HDF5 program reads it.
/// The others are compressors of the blosc filter (32001): faster and smaller, but h5py needs the blosc
/// plugin or `import tables` first.
enum class Hdf5Compressor : std::uint8_t { none, gzip, blosclz, lz4, lz4hc, zlib, zstd };
enum class Hdf5Shuffle : std::uint8_t { none, byte, bit };

struct Hdf5Codec {
  Hdf5Compressor compressor = Hdf5Compressor::zstd;
  int level = 1;  ///< 0 to 9
  Hdf5Shuffle shuffle = Hdf5Shuffle::none;
  friend bool operator==(const Hdf5Codec&, const Hdf5Codec&) = default;
};

/// From the words of the configuration: codec none | gzip | blosclz | lz4 | lz4hc | zlib | zstd, level 0 to
/// 9, shuffle none | byte | bit. Throws Error{config} for any other, and for `bit` with `gzip`, which HDF5
/// has not.
Hdf5Codec parse_hdf5_codec(std::string_view codec, int level, std::string_view shuffle);
/// "zstd level 1", "gzip level 4 byte shuffle", "none".
std::string to_string(const Hdf5Codec& codec);

}  // namespace petavox
