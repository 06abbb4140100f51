#pragma once
// Hashes. All are fixed functions of their input: the same on every machine, for ever.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace petavox {

/// A bijective 64-bit mixer (the finaliser of SplitMix64).
constexpr std::uint64_t mix64(std::uint64_t h) {
  h ^= h >> 30;
  h *= 0xbf58476d1ce4e5b9ULL;
  h ^= h >> 27;
  h *= 0x94d049bb133111ebULL;
  return h ^ (h >> 31);
}

/// XXH3-64 of the bytes, keyed with `seed`: the checksum of everything that petavox stores.
std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed = 0);

/// 128-bit value used for fingerprints and digests.
struct Hash128 {
  std::uint64_t high{}, low{};
  friend constexpr bool operator==(const Hash128&, const Hash128&) = default;
};
/// XXH3-128 of the bytes.
Hash128 hash128(std::span<const std::byte> bytes);
Hash128 hash128(std::string_view text);
/// 32 lower-case hexadecimal digits, most significant first.
std::string to_hex(const Hash128& hash);
std::string to_hex(std::uint64_t value);

}  // namespace petavox
