#include "petavox/geometry/merge_tree.hpp"

#include "petavox/base/check.hpp"

namespace petavox {

MergeTree::MergeTree(const Tiling& tiling) : tiling_{tiling} {
  Extent grid = tiling.grid();
  offsets_.push_back(0);
  while (true) {
    grids_.push_back(grid);
    offsets_.push_back(offsets_.back() + grid.voxels());
    if (grid.voxels() == 1) break;
    for (int axis = 0; axis < 3; ++axis) grid[axis] = ceil_div(grid[axis], 2);
  }
}

MergeTree::Node MergeTree::node(Index id) const {
  PETAVOX_ASSERT(id >= 0 && id < count());
  std::size_t level = 0;
  while (id >= offsets_[level + 1]) ++level;
  const Extent grid = grids_[level];
  const Index i = id - offsets_[level];
  return {static_cast<int>(level), {i / (grid.y * grid.x), i / grid.x % grid.y, i % grid.x}};
}

Index MergeTree::id(const Node& node) const {
  const auto level = static_cast<std::size_t>(node.level);
  const Extent grid = grids_[level];
  return offsets_[level] + (node.position.z * grid.y + node.position.y) * grid.x + node.position.x;
}

Index MergeTree::parent(Index child) const {
  const Node n = node(child);
  PETAVOX_ASSERT(child != root());
  return id({n.level + 1, {n.position.z / 2, n.position.y / 2, n.position.x / 2}});
}

std::vector<Index> MergeTree::children(Index parent) const {
  const Node n = node(parent);
  std::vector<Index> found;
  if (n.level == 0) return found;
  const Extent grid = grids_[static_cast<std::size_t>(n.level - 1)];
  for (Index z = 2 * n.position.z; z < std::min(2 * n.position.z + 2, grid.z); ++z)
    for (Index y = 2 * n.position.y; y < std::min(2 * n.position.y + 2, grid.y); ++y)
      for (Index x = 2 * n.position.x; x < std::min(2 * n.position.x + 2, grid.x); ++x)
        found.push_back(id({n.level - 1, {z, y, x}}));
  return found;
}

Box MergeTree::box(Index id) const {
  const Node n = node(id);
  const Extent grid = tiling_.grid();
  Box positions;
  for (int axis = 0; axis < 3; ++axis) {
    positions.begin[axis] = n.position[axis] << n.level;
    positions.end[axis] = std::min(grid[axis], (n.position[axis] + 1) << n.level);
  }
  return tiling_.covered(positions);
}

std::uint64_t morton(Coord position) {
  const auto spread = [](Index value) {
    auto v = static_cast<std::uint64_t>(value) & 0x1fffffULL;
    v = (v | v << 32) & 0x001f00000000ffffULL;
    v = (v | v << 16) & 0x001f0000ff0000ffULL;
    v = (v | v << 8) & 0x100f00f00f00f00fULL;
    v = (v | v << 4) & 0x10c30c30c30c30c3ULL;
    v = (v | v << 2) & 0x1249249249249249ULL;
    return v;
  };
  return spread(position.z) << 2 | spread(position.y) << 1 | spread(position.x);
}

}  // namespace petavox
