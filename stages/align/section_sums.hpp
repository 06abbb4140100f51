#pragma once
// Sums over pixels that hold something, one copy of the loops for each set of vector instructions. All are of
// integers.

#include <cstdint>

namespace petavox::align {

/// A value that no pixel has, where none means "nothing here".
inline constexpr std::int32_t no_pixel = -1;

/// sums[x] += row[x], counts[x] += 1, for the x < n where row[x] is not `nothing` and hidden[x] (if any) is
/// 0.
void add_used(const std::uint8_t* row, const std::uint8_t* hidden, std::int32_t nothing, std::int64_t n,
              std::uint32_t* sums, std::uint32_t* counts);
void add_used(const std::uint16_t* row, const std::uint8_t* hidden, std::int32_t nothing, std::int64_t n,
              std::uint32_t* sums, std::uint32_t* counts);

/// Over the pixels of two pieces of the same size where both hold something.
struct PairSums {
  std::int64_t n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
};
inline constexpr std::int64_t most_pairs = 1 << 14;
/// Adds up to most_pairs pixels of two rows; neither is counted where one is `nothing`.
void add_pairs(const std::uint8_t* a, const std::uint8_t* b, std::int32_t nothing, std::int64_t n,
               PairSums& sums);
void add_pairs(const std::uint16_t* a, const std::uint16_t* b, std::int32_t nothing, std::int64_t n,
               PairSums& sums);

}  // namespace petavox::align
