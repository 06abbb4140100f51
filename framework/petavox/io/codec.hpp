#pragma once
// Compression of chunks. One thread, no global state: all functions are thread-safe.
//
// A packed chunk has one of three forms, told apart by its size: as long as the data: the data itself;
// as long as one element: that element, repeated; anything else: a blosc buffer, shorter than the data.

#include "petavox/base/bytes.hpp"
#include "petavox/volume/dtype.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace petavox {

enum class Codec : std::uint8_t { none, lz4, lz4hc, zstd, blosclz, zlib };
enum class Shuffle : std::uint8_t { none, byte, bit };

struct CodecOptions {
  Codec codec = Codec::zstd;
  int level = 1;  ///< 0 (store) to 9
  Shuffle shuffle = Shuffle::none;
  friend constexpr bool operator==(const CodecOptions&, const CodecOptions&) = default;
};

/// Chosen by measurement (tests/bench/codec_bench.cpp, docs/formats.md).
CodecOptions default_image_codec(DType type);
CodecOptions default_label_codec();
/// For columns of integers and states of reductions.
CodecOptions default_table_codec();

/// "none", "lz4", …
const char* name_of(Codec codec) noexcept;
const char* name_of(Shuffle shuffle) noexcept;
std::optional<Codec> parse_codec(std::string_view name);
std::optional<Shuffle> parse_shuffle(std::string_view name);

/// The largest chunk that can be packed: 2^31 - 1 bytes less blosc's header.
inline constexpr std::size_t max_chunk_bytes = 0x7fffffff - 16;

/// Packs the data; never longer than the data. Expects a whole number of elements of 1 to 255 bytes.
/// Throws Error{resource} above max_chunk_bytes.
Bytes pack_chunk(std::span<const std::byte> data, std::size_t element_bytes, const CodecOptions& options);

/// Unpacks into exactly `into.size()` bytes. Throws Error{io} if `packed` cannot be that (damaged, or of
/// another size); nothing is allocated by what `packed` says of itself.
void unpack_chunk(std::span<const std::byte> packed, std::size_t element_bytes, std::span<std::byte> into);

// Plain blosc 1 buffers, whatever their size: what the HDF5 filter 32001 stores.

/// Throws Error{resource} above max_chunk_bytes.
Bytes blosc_buffer(std::span<const std::byte> data, std::size_t element_bytes, const CodecOptions& options);
/// The size of the data in a buffer, after its header was checked against its length. Throws Error{io}.
std::size_t blosc_data_bytes(std::span<const std::byte> buffer);
/// Throws Error{io} unless the buffer holds exactly into.size() bytes.
void blosc_unpack(std::span<const std::byte> buffer, std::span<std::byte> into);
/// blosc's number of a codec, for the filter's parameters. Expects a codec other than none.
int blosc_code(Codec codec);

}  // namespace petavox
