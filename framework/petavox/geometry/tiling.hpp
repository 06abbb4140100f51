#pragma once
// The cutting of a domain into blocks: a function of (domain, block shape) only, never of the rank count.
// Blocks are numbered in raster order of the block grid. Immutable, hence thread-safe.

#include "petavox/geometry/box.hpp"

namespace petavox {

class Tiling {
 public:
  Tiling() = default;
  /// Expects a non-empty domain and a positive shape. The last blocks of an axis may be smaller.
  Tiling(const Box& domain, Extent block_shape);

  const Box& domain() const { return domain_; }
  Extent block_shape() const { return block_shape_; }
  /// Blocks along each axis.
  Extent grid() const { return grid_; }
  Index count() const { return grid_.voxels(); }

  /// Grid position of block i, and back.
  Coord position(Index block) const {
    return {block / (grid_.y * grid_.x), block / grid_.x % grid_.y, block % grid_.x};
  }
  Index block_at(Coord position) const { return (position.z * grid_.y + position.y) * grid_.x + position.x; }

  /// The voxels that block i writes. The cores partition the domain.
  Box core(Index block) const { return core_of(position(block)); }
  Box core_of(Coord position) const;
  /// The union of the cores of the grid positions in `positions`, a box.
  Box covered(const Box& positions) const;
  /// Grid positions of the blocks whose cores intersect `region`, as a box of positions (empty if none do).
  Box touching(const Box& region) const;
  /// The block that holds voxel p of the domain.
  Index block_of(Coord p) const;

  friend bool operator==(const Tiling&, const Tiling&) = default;

 private:
  Box domain_;
  Extent block_shape_{1, 1, 1}, grid_;
};

}  // namespace petavox
