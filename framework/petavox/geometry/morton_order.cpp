#include "petavox/geometry/morton_order.hpp"

#include "petavox/base/check.hpp"

namespace petavox {
namespace {

// Edge of the smallest cube of a power of two that holds the grid.
Index cube_edge(const Extent& grid) {
  Index edge = 1;
  while (edge < std::max({grid.z, grid.y, grid.x})) edge *= 2;
  return edge;
}

// Positions of the grid in the cube of this edge at `low`.
Index inside(const Extent& grid, const Coord& low, Index edge) {
  Index count = 1;
  for (int axis = 0; axis < 3; ++axis) count *= std::clamp<Index>(grid[axis] - low[axis], 0, edge);
  return count;
}

Coord octant(const Coord& low, Index half, int which) {
  return {low.z + ((which & 4) != 0 ? half : 0), low.y + ((which & 2) != 0 ? half : 0),
          low.x + ((which & 1) != 0 ? half : 0)};
}

}  // namespace

Coord morton_nth(const Extent& grid, Index k) {
  PETAVOX_DEBUG_ASSERT(k >= 0 && k < grid.voxels());
  Coord low;
  for (Index half = cube_edge(grid) / 2; half > 0; half /= 2)
    for (int which = 0; which < 8; ++which) {
      const Coord child = octant(low, half, which);
      const Index count = inside(grid, child, half);
      if (k < count) {
        low = child;
        break;
      }
      k -= count;
    }
  return low;
}

Index morton_rank(const Extent& grid, const Coord& position) {
  Index before = 0;
  Coord low;
  for (Index half = cube_edge(grid) / 2; half > 0; half /= 2) {
    int own = 0;
    for (int axis = 0; axis < 3; ++axis) own = own * 2 + (position[axis] >= low[axis] + half ? 1 : 0);
    for (int which = 0; which < own; ++which) before += inside(grid, octant(low, half, which), half);
    low = octant(low, half, own);
  }
  return before;
}

}  // namespace petavox
