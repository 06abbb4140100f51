#pragma once
// Integers in as many bytes as they need: seven bits a byte, lowest first, the high bit set on all but the
// last.

#include "petavox/base/bytes.hpp"

namespace petavox::detail {

constexpr std::size_t longest_varint = 10;

/// Returns the end of what was written, at most longest_varint bytes on.
inline std::byte* write_varint(std::uint64_t value, std::byte* to) {
  for (; value >= 0x80; value >>= 7) *to++ = static_cast<std::byte>(value | 0x80);
  *to++ = static_cast<std::byte>(value);
  return to;
}

inline void put_varint(ByteWriter& out, std::uint64_t value) {
  std::byte bytes[longest_varint];
  out.append(bytes, static_cast<std::size_t>(write_varint(value, bytes) - bytes));
}

/// Throws Error{io} if the bytes end early or hold more than 64 bits.
inline std::uint64_t get_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = in.get<std::uint8_t>();
    if (shift == 63 && byte > 1) break;
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  throw Error{ErrorCode::io, "a number has more than 64 bits (the record is damaged); the object is refused"};
}

/// The same for bytes that get_varint() has read before, or that were just written.
inline std::uint64_t read_varint(const std::byte*& from) {
  auto byte = static_cast<std::uint64_t>(*from++);
  std::uint64_t value = byte & 0x7f;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<std::uint64_t>(*from++);
    value |= (byte & 0x7f) << shift;
  }
  return value;
}

/// Signed to unsigned, small magnitudes to small numbers, and back.
constexpr std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}
/// The same for differences of unsigned numbers, modulo 2^64.
constexpr std::uint64_t zigzag_difference(std::uint64_t value, std::uint64_t before) {
  return zigzag(static_cast<std::int64_t>(value - before));
}
constexpr std::uint64_t add_zigzag(std::uint64_t before, std::uint64_t code) {
  return before + static_cast<std::uint64_t>(unzigzag(code));
}

}  // namespace petavox::detail
