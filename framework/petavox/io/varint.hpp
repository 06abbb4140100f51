#pragma once
// Integers in as many bytes as they need: seven bits a byte, lowest first, the high bit set on all but the
// last.

#include "petavox/base/bytes.hpp"

namespace petavox::detail {

inline void put_varint(ByteWriter& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.put(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.put(static_cast<std::uint8_t>(value));
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

/// Signed to unsigned, small magnitudes to small numbers, and back.
constexpr std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

}  // namespace petavox::detail
