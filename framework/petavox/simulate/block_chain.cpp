#include "petavox/simulate/block_chain.hpp"

#include "petavox/base/check.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::simulate {
namespace {

std::uint64_t spread(std::uint64_t x) {
  x &= 0x1fffff;
  x = (x | x << 32) & 0x1f00000000ffff;
  x = (x | x << 16) & 0x1f0000ff0000ff;
  x = (x | x << 8) & 0x100f00f00f00f00f;
  x = (x | x << 4) & 0x10c30c30c30c30c3;
  return (x | x << 2) & 0x1249249249249249;
}

}  // namespace

BlockChain::BlockChain(Extent grid, int steps, Index reach) : grid_{grid}, steps_{steps}, reach_{reach} {
  PETAVOX_ASSERT(grid.z > 0 && grid.y > 0 && grid.x > 0 && steps > 0 && reach >= 0);
}

Extent BlockChain::grid_of(Index blocks) {
  // The proportions of H01 in blocks of 512^3: about one to ninety to ninety.
  const auto z = std::max<Index>(1, std::lround(std::cbrt(static_cast<double>(blocks) / 8100)));
  const auto y =
      std::max<Index>(1, std::lround(std::sqrt(static_cast<double>(blocks) / static_cast<double>(z))));
  return {z, y, std::max<Index>(1, blocks / (z * y))};
}

std::uint64_t BlockChain::locality(TaskId task) const {
  const Coord p = position(task.index);
  return spread(static_cast<std::uint64_t>(p.z)) << 2 | spread(static_cast<std::uint64_t>(p.y)) << 1 |
         spread(static_cast<std::uint64_t>(p.x));
}

Index BlockChain::in_order(int, Index k) const {
  const Coord p = morton_nth(grid_, k);
  return (p.z * grid_.y + p.y) * grid_.x + p.x;
}

void BlockChain::around(TaskId task, int to_step, TaskVisitor visit) const {
  const std::int64_t step = task.step + to_step;
  if (step < 0 || step >= steps_) return;
  const Coord p = position(task.index);
  Coord low, high;
  for (int axis = 0; axis < 3; ++axis) {
    low[axis] = std::max<Index>(0, p[axis] - reach_);
    high[axis] = std::min(grid_[axis] - 1, p[axis] + reach_);
  }
  for (Index z = high.z; z >= low.z; --z)
    for (Index y = high.y; y >= low.y; --y)
      for (Index x = high.x; x >= low.x; --x)
        if (!visit({step, (z * grid_.y + y) * grid_.x + x})) return;
}

}  // namespace petavox::simulate
