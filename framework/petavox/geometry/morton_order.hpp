#pragma once
// Ranks along the Morton curve of a grid that need not be a power of two: the order in which blocks are
// handed out, and the axis on which "near" is measured.

#include "petavox/geometry/coord.hpp"

namespace petavox {

/// The k-th position of the grid in Morton order (z the most significant of each triple of bits).
/// Expects 0 <= k < grid.voxels(). Takes O(log) steps and no memory.
Coord morton_nth(const Extent& grid, Index k);
/// The inverse: how many positions of the grid come before `position`.
Index morton_rank(const Extent& grid, const Coord& position);

}  // namespace petavox
