#pragma once
// How the chunks of an HDF5 dataset are compressed, in the words of the configuration.
// Values; thread-safe.

#include "petavox/io/codec.hpp"

#include <string>
#include <string_view>

namespace petavox {

struct Hdf5Codec {
  Hdf5Codec() = default;
  Hdf5Codec(const CodecOptions& blosc) : options{blosc} {}  // NOLINT: a CodecOptions is one kind of Hdf5Codec

  /// Of the blosc filter (32001): fast and small, but h5py needs the blosc plugin, or `import tables` first.
  /// Codec::none stores chunks as they are.
  CodecOptions options;
  /// Instead of blosc, HDF5's own deflate filter with options.level (and its byte shuffle): every HDF5
  /// program reads it. options.codec is then Codec::zlib.
  bool gzip = false;
  friend bool operator==(const Hdf5Codec&, const Hdf5Codec&) = default;
};

/// From the words of the configuration: codec none | gzip | blosclz | lz4 | lz4hc | zlib | zstd, level 0 to
/// 9, shuffle none | byte | bit. Throws Error{config} for any other, and for `bit` with `gzip`, which HDF5
/// has not.
Hdf5Codec parse_hdf5_codec(std::string_view codec, int level, std::string_view shuffle);
/// "zstd level 1", "gzip level 4 byte shuffle", "none".
std::string to_string(const Hdf5Codec& codec);

}  // namespace petavox
