#include "petavox/base/check.hpp"
#include "petavox/io/codec.hpp"

#include <cstring>
#include <memory>
#include <string>

#include <blosc.h>

namespace petavox {
namespace {

constexpr const char* codec_names[] = {"none", "lz4", "lz4hc", "zstd", "blosclz", "zlib"};
constexpr const char* shuffle_names[] = {"none", "byte", "bit"};
constexpr std::size_t max_block_bytes = std::size_t{4} << 20;  // blosc's scratch memory is three blocks
static_assert(max_chunk_bytes == BLOSC_MAX_BUFFERSIZE);

const char* blosc_name(Codec codec) {
  // blosc has no "none": level 0 stores whatever the compressor.
  return codec == Codec::none ? BLOSC_LZ4_COMPNAME : codec_names[static_cast<std::size_t>(codec)];
}

int blosc_shuffle(Shuffle shuffle) {
  switch (shuffle) {
    case Shuffle::none:
      return BLOSC_NOSHUFFLE;
    case Shuffle::byte:
      return BLOSC_SHUFFLE;
    case Shuffle::bit:
      return BLOSC_BITSHUFFLE;
  }
  return BLOSC_NOSHUFFLE;
}

/// Bytes written to `into`, 0 if it is too small.
std::size_t compress(std::span<const std::byte> data, std::size_t element_bytes, const CodecOptions& options,
                     std::span<std::byte> into) {
  PETAVOX_ASSERT(element_bytes >= 1 && element_bytes <= BLOSC_MAX_TYPESIZE);
  PETAVOX_ASSERT(options.level >= 0 && options.level <= 9);
  if (data.size() > max_chunk_bytes)
    throw Error{ErrorCode::resource, "a chunk of " + std::to_string(data.size()) +
                                         " bytes cannot be compressed (blosc takes less than 2 GiB); use a "
                                         "smaller chunk shape"};
  const int level = options.codec == Codec::none ? 0 : options.level;
  // One blosc block for a whole chunk: zstd twice as fast and up to 15 % smaller than with blosc's own
  // choice, which is made for caches and threads. Others lose nothing.
  const std::size_t block = std::min(data.size(), max_block_bytes);
  const int n =
      blosc_compress_ctx(level, blosc_shuffle(options.shuffle), element_bytes, data.size(), data.data(),
                         into.data(), into.size(), blosc_name(options.codec), block, 1);
  if (n < 0)
    throw Error{ErrorCode::internal, std::string{"blosc cannot compress with "} + name_of(options.codec) +
                                         " (the library lacks it or failed); choose another codec"};
  return static_cast<std::size_t>(n);
}

/// Room for what is compressed, not cleared: that would cost a third of the time of compressing labels.
class Room {
 public:
  explicit Room(std::size_t size) : size_{size}, bytes_{std::make_unique_for_overwrite<std::byte[]>(size)} {}
  std::span<std::byte> bytes() const { return {bytes_.get(), size_}; }
  Bytes first(std::size_t size) const { return {bytes_.get(), bytes_.get() + size}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

[[noreturn]] void refuse(const char* problem) {
  throw Error{ErrorCode::io, std::string{"a compressed chunk "} + problem +
                                 " (it is damaged or not a chunk); make it again or restore the file"};
}

bool repeats_first(std::span<const std::byte> data, std::size_t element_bytes) {
  return std::memcmp(data.data(), data.data() + element_bytes, data.size() - element_bytes) == 0;
}

}  // namespace

// Measured on EM, labels and affinities: docs/formats.md, tests/bench/codec_bench.cpp.
CodecOptions default_image_codec(DType type) {
  return {Codec::zstd, 1, size_of(type) > 1 ? Shuffle::byte : Shuffle::none};
}
CodecOptions default_label_codec() { return {Codec::zstd, 1, Shuffle::none}; }
CodecOptions default_table_codec() { return {Codec::zstd, 1, Shuffle::byte}; }

const char* name_of(Codec codec) noexcept { return codec_names[static_cast<std::size_t>(codec)]; }
const char* name_of(Shuffle shuffle) noexcept { return shuffle_names[static_cast<std::size_t>(shuffle)]; }

std::optional<Codec> parse_codec(std::string_view name) {
  for (std::size_t i = 0; i < std::size(codec_names); ++i)
    if (name == codec_names[i]) return static_cast<Codec>(i);
  return std::nullopt;
}

std::optional<Shuffle> parse_shuffle(std::string_view name) {
  for (std::size_t i = 0; i < std::size(shuffle_names); ++i)
    if (name == shuffle_names[i]) return static_cast<Shuffle>(i);
  return std::nullopt;
}

Bytes pack_chunk(std::span<const std::byte> data, std::size_t element_bytes, const CodecOptions& options) {
  PETAVOX_ASSERT(element_bytes > 0 && data.size() % element_bytes == 0);
  const auto plain = [&] { return Bytes{data.begin(), data.end()}; };
  if (data.size() <= element_bytes) return plain();
  if (repeats_first(data, element_bytes))
    return {data.begin(), data.begin() + static_cast<std::ptrdiff_t>(element_bytes)};
  if (options.codec == Codec::none || options.level == 0) return plain();
  const Room room{data.size() - 1};
  const std::size_t size = compress(data, element_bytes, options, room.bytes());
  if (size == 0 || size == element_bytes) return plain();
  return room.first(size);
}

void unpack_chunk(std::span<const std::byte> packed, std::size_t element_bytes, std::span<std::byte> into) {
  if (into.empty()) {
    if (!packed.empty()) refuse("has another size than its directory says");
    return;
  }
  if (packed.size() == into.size()) {
    std::memcpy(into.data(), packed.data(), into.size());
  } else if (packed.size() == element_bytes && into.size() % element_bytes == 0) {
    std::memcpy(into.data(), packed.data(), element_bytes);
    // Doubles what is filled: few large copies.
    for (std::size_t filled = element_bytes; filled < into.size();) {
      const std::size_t n = std::min(filled, into.size() - filled);
      std::memcpy(into.data() + filled, into.data(), n);
      filled += n;
    }
  } else {
    blosc_unpack(packed, into);
  }
}

Bytes blosc_buffer(std::span<const std::byte> data, std::size_t element_bytes, const CodecOptions& options) {
  const Room room{data.size() + BLOSC_MAX_OVERHEAD};
  const std::size_t size = compress(data, element_bytes, options, room.bytes());
  PETAVOX_ASSERT(size > 0);
  return room.first(size);
}

std::size_t blosc_data_bytes(std::span<const std::byte> buffer) {
  std::size_t size = 0;
  if (buffer.size() < BLOSC_MIN_HEADER_LENGTH ||
      blosc_cbuffer_validate(buffer.data(), buffer.size(), &size) != 0)
    refuse("has a bad header");
  return size;
}

void blosc_unpack(std::span<const std::byte> buffer, std::span<std::byte> into) {
  if (blosc_data_bytes(buffer) != into.size()) refuse("has another size than its directory says");
  if (into.empty()) return;
  const int n = blosc_decompress_ctx(buffer.data(), into.data(), into.size(), 1);
  if (n < 0 || static_cast<std::size_t>(n) != into.size()) refuse("does not unpack");
}

int blosc_code(Codec codec) { return blosc_compname_to_compcode(blosc_name(codec)); }

}  // namespace petavox
