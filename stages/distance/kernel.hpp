#pragma once
// The Euclidean distance of each voxel to the nearest voxel of another label, up to a bound. Plain functions
// on arrays; the method is in README.md.

#include "petavox/volume/array.hpp"
#include "petavox/volume/volume.hpp"

#include <array>

namespace petavox::distance {

/// Lengths of a voxel's edges as whole multiples of one unit: squared distances are integers then.
struct Grid {
  std::array<std::int32_t, 3> size{1, 1, 1};  ///< z, y, x
  double unit_nm = 1;
  /// Squared distances up to this are told apart, in units squared.
  std::int32_t bound = 0;
};

/// The coarsest unit of which the voxel sizes are multiples; sizes are taken to a thousandth of a nanometre.
/// Throws Error{config} if max_distance_nm is so many units that squares do not fit 30 bits, or is shorter
/// than no voxel edge.
Grid grid_of(const VoxelSizeNm& voxel_size_nm, double max_distance_nm);

/// What squared() reads round the voxels that it writes: nothing beyond can be near enough.
Halo halo_of(const Grid& grid);

/// Squared distance in units squared from the centre of each voxel of `core` to the centre of the nearest one
/// of another label; 0 where the label is 0, grid.bound + 1 where it is farther. Voxels outside ids.box() do
/// not exist. `ids`: uint32, over core grown by the halo and clipped to the domain. Returns int32 over
/// `core`.
Array squared(const Array& ids, const Box& core, const Grid& grid);

}  // namespace petavox::distance
