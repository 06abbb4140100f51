#pragma once
// Rows of voxels as rows of bits, 64 to a word, voxel i at bit i % 64 of word i / 64; bits beyond a row are
// 0. Vectorised: petavox/base/simd.hpp.

#include <cstddef>
#include <cstdint>

namespace petavox {

constexpr std::size_t words_of(std::size_t bits) { return (bits + 63) / 64; }

/// Bit i: a[i] == b[i].
void equal_bits(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, std::uint64_t* bits);
void equal_bits(const std::uint16_t* a, const std::uint16_t* b, std::size_t n, std::uint64_t* bits);
void equal_bits(const std::uint32_t* a, const std::uint32_t* b, std::size_t n, std::uint64_t* bits);
void equal_bits(const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t* bits);

/// Bit i: a[i] != 0.
void nonzero_bits(const std::uint8_t* a, std::size_t n, std::uint64_t* bits);
void nonzero_bits(const std::uint16_t* a, std::size_t n, std::uint64_t* bits);
void nonzero_bits(const std::uint32_t* a, std::size_t n, std::uint64_t* bits);
void nonzero_bits(const std::uint64_t* a, std::size_t n, std::uint64_t* bits);

/// How the voxels of a row of labels hang together, in one pass over it.
struct RowBits {
  std::uint64_t* starts;      ///< the first voxel, and those that differ from the one before
  std::uint64_t* foreground;  ///< label is not 0
  std::uint64_t* joins_y;     ///< foreground with the label of the same voxel of the row before on y
  std::uint64_t* joins_z;     ///< the same on z
};
void label_bits(const std::uint8_t* row, const std::uint8_t* before_y, const std::uint8_t* before_z,
                std::size_t n, const RowBits& bits);
void label_bits(const std::uint16_t* row, const std::uint16_t* before_y, const std::uint16_t* before_z,
                std::size_t n, const RowBits& bits);
void label_bits(const std::uint32_t* row, const std::uint32_t* before_y, const std::uint32_t* before_z,
                std::size_t n, const RowBits& bits);
void label_bits(const std::uint64_t* row, const std::uint64_t* before_y, const std::uint64_t* before_z,
                std::size_t n, const RowBits& bits);

/// Bit i: a[i] >= least.
void at_least_bits(const std::uint8_t* a, std::uint8_t least, std::size_t n, std::uint64_t* bits);
void at_least_bits(const std::uint16_t* a, std::uint16_t least, std::size_t n, std::uint64_t* bits);

/// best[i] = max(best[i], a[i]).
void raise_to(const std::uint8_t* a, std::size_t n, std::uint8_t* best);
void raise_to(const std::uint16_t* a, std::size_t n, std::uint16_t* best);

}  // namespace petavox
