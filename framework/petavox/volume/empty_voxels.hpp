#pragma once
// Voxels that hold nothing (value 0): round a section that was cut, turned and aligned, in a lost tile, in a
// missing section. To a filter or a network they would be a black body with a steep edge, along which
// everything that touches it becomes one object. Plain functions on arrays.

#include "petavox/volume/array.hpp"

#include <span>
#include <vector>

namespace petavox {

/// Which voxels of a box hold nothing, in raster order.
struct EmptyVoxels {
  Box box;
  std::vector<std::uint8_t> is;
  bool any = false, all = true;

  /// False outside `box`.
  bool at(Coord p) const { return box.contains(p) && is[static_cast<std::size_t>(box.raster(p))] != 0; }
};

/// Of `box`, clipped to what `image` (one channel) holds.
EmptyVoxels empty_voxels(const Array& image, const Box& box);

/// Gives each empty voxel the value of the nearest one of its section that holds something: by distance in
/// voxels among those at most reach.y rows and reach.x columns away, equal ones by the nearer row, the upper
/// row, the left column. Where there is none it becomes `otherwise`. Voxels whose neighbourhood of `reach` is
/// not in image.box() may get another value than in a larger box.
void fill_empty(Array& image, const Extent& reach, double otherwise);

/// Sets to 0 what is said of empty voxels: channel i of `out` is of pairs (v, v - offsets[i]), or, without
/// offsets, of voxels.
void leave_out(const EmptyVoxels& empty, std::span<const Coord> offsets, View<std::uint8_t> out);

}  // namespace petavox
