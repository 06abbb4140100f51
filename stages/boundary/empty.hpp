#pragma once
// Voxels that hold nothing (value 0): round a section that was cut, turned and aligned, in a lost tile, in a
// missing section. To a filter they would be a black body with a steep edge, along which everything that
// touches it becomes one object. Plain functions on arrays.

#include "petavox/volume/array.hpp"

#include <vector>

namespace petavox::boundary {

/// Which voxels of a box hold nothing, in raster order.
struct EmptyVoxels {
  Box box;
  std::vector<std::uint8_t> is;
  bool any = false, all = true;

  bool at(Coord p) const { return is[static_cast<std::size_t>(box.raster(p))] != 0; }
};

/// Of `core` and the voxels below it on each axis, clipped to the domain, which `image` holds.
EmptyVoxels empty_voxels(const Array& image, const Box& core);

/// Gives each empty voxel the value of the nearest one of its section that holds something: by distance in
/// voxels among those at most reach.y rows and reach.x columns away, equal ones by the nearer row, the upper
/// row, the left column. Where there is none it becomes `otherwise`. Voxels whose neighbourhood of `reach` is
/// not in image.box() may get another value than in a larger box.
void fill_empty(Array& image, const Extent& reach, double otherwise);

/// Sets the affinities of all pairs of which one voxel is empty to 0.
void part_from_empty(const EmptyVoxels& empty, View<std::uint8_t> affinities);

}  // namespace petavox::boundary
