#include "petavox/testing/partition.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/geometry/merge_tree.hpp"

namespace petavox::testing {

std::uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  return mix64(state_);
}

Partition Partition::regular(const Box& domain, Extent block_shape) {
  Partition p;
  p.domain = domain;
  p.tiling = Tiling{domain, block_shape};
  const MergeTree tree{*p.tiling};
  for (Index block = 0; block < tree.leaves(); ++block) p.cores.push_back(p.tiling->core(block));
  for (Index id = 0; id < tree.count(); ++id) {
    Node node{tree.box(id)};
    for (const Index child : tree.children(id)) node.children.push_back(usize(child));
    node.parent = usize(id == tree.root() ? id : tree.parent(id));
    if (tree.is_leaf(id)) node.block = usize(id);
    p.nodes.push_back(node);
  }
  return p;
}

Partition Partition::guillotine(const Box& domain, std::size_t max_blocks, std::uint64_t seed) {
  PETAVOX_ASSERT(!domain.empty() && max_blocks > 0);
  Partition p;
  p.domain = domain;
  Random random{seed};
  // Returns the number of the node made for `box`, which may be cut into `budget` boxes.
  const auto cut = [&](const auto& self, const Box& box, std::size_t budget) -> std::size_t {
    std::vector<int> axes;
    for (int axis = 0; axis < 3; ++axis)
      if (box.shape()[axis] > 1) axes.push_back(axis);
    Node node{box};
    if (budget < 2 || axes.empty()) {
      node.block = p.cores.size();
      p.cores.push_back(box);
    } else {
      const int axis = axes[random.below(axes.size())];
      Box low = box, high = box;
      low.end[axis] = high.begin[axis] =
          box.begin[axis] + 1 +
          static_cast<Index>(random.below(static_cast<std::uint64_t>(box.shape()[axis] - 1)));
      const std::size_t share = 1 + random.below(budget - 1);
      node.children.push_back(self(self, low, share));
      node.children.push_back(self(self, high, budget - share));
    }
    p.nodes.push_back(node);
    for (const std::size_t child : node.children) p.nodes[child].parent = p.nodes.size() - 1;
    return p.nodes.size() - 1;
  };
  const std::size_t root = cut(cut, domain, max_blocks);
  p.nodes[root].parent = root;
  return p;
}

}  // namespace petavox::testing
