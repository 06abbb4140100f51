#include "petavox/geometry/tiling.hpp"

#include "petavox/base/check.hpp"

namespace petavox {

Tiling::Tiling(const Box& domain, Extent block_shape) : domain_{domain}, block_shape_{block_shape} {
  const Extent shape = domain.shape();
  PETAVOX_ASSERT(!domain.empty() && block_shape.z > 0 && block_shape.y > 0 && block_shape.x > 0);
  for (int axis = 0; axis < 3; ++axis) grid_[axis] = ceil_div(shape[axis], block_shape[axis]);
}

Box Tiling::core_of(Coord position) const { return covered({position, position + Extent::cube(1)}); }

Box Tiling::covered(const Box& positions) const {
  Box box;
  for (int axis = 0; axis < 3; ++axis) {
    box.begin[axis] = domain_.begin[axis] + positions.begin[axis] * block_shape_[axis];
    // Clamped before the product: a block shape may be far larger than the domain.
    box.end[axis] = positions.end[axis] >= grid_[axis]
                        ? domain_.end[axis]
                        : domain_.begin[axis] + positions.end[axis] * block_shape_[axis];
  }
  return box;
}

Box Tiling::touching(const Box& region) const {
  const Box inside = region.intersect(domain_);
  if (inside.empty()) return {};
  Box positions;
  for (int axis = 0; axis < 3; ++axis) {
    positions.begin[axis] = (inside.begin[axis] - domain_.begin[axis]) / block_shape_[axis];
    positions.end[axis] = (inside.end[axis] - 1 - domain_.begin[axis]) / block_shape_[axis] + 1;
  }
  return positions;
}

Index Tiling::block_of(Coord p) const { return block_at(touching({p, p + Extent::cube(1)}).begin); }

}  // namespace petavox
