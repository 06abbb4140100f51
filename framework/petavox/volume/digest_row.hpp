#pragma once
// The inner loop of the digest (digest.hpp). Vectorised: petavox/base/simd.hpp.

#include <cstddef>
#include <cstdint>

namespace petavox::detail {

/// Adds the hashes of n voxels in canonical bits, the first of index `first`, to the two sums of a digest.
void add_digest_row(const std::uint64_t* values, std::size_t n, std::uint64_t first, std::uint64_t* sums);

}  // namespace petavox::detail
