#pragma once
// The inner loop of the distance transform along y and z. Vectorised: petavox/base/simd.hpp; hence plain
// structures only.

#include <cstddef>
#include <cstdint>

namespace petavox::distance {

/// Columns of voxels side by side: voxel n of column i is element n * lanes + i.
struct Columns {
  static constexpr std::size_t lanes = 16;
  const std::uint32_t* ids;
  const std::int32_t* squares;  ///< what is known of each voxel: squared distances, at most 2^30
  std::size_t length;
  std::int32_t size;  ///< of a voxel along the columns, below 2^15
};

/// The least of what voxels [begin, end) of each column know already and what they learn along their column:
/// a voxel of the same label passes on what it knows, one of another label is itself the nearest. `results`:
/// (end - begin) * lanes elements.
void look_along(const Columns& columns, std::size_t begin, std::size_t end, std::int32_t* results);

}  // namespace petavox::distance
