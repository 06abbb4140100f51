#pragma once
// The Morton merge tree over the blocks of a tiling: the shape of every reduction.
// Level 0 nodes are the blocks. The node of level l at grid position g covers the blocks whose positions,
// shifted right by l, equal g; its children are the up to eight nodes of level l-1 at 2g..2g+1.
// The children of a node, joined first along x, then y, then z, always form boxes.
// Nodes are numbered level by level from the leaves, each level in raster order; the root is the last.
// Immutable, hence thread-safe.

#include "petavox/geometry/tiling.hpp"

#include <vector>

namespace petavox {

class MergeTree {
 public:
  MergeTree() = default;
  explicit MergeTree(const Tiling& tiling);

  struct Node {
    int level{};
    Coord position;  ///< in the grid of its level
    friend bool operator==(const Node&, const Node&) = default;
  };

  /// Number of levels; a single block has one.
  int levels() const { return static_cast<int>(grids_.size()); }
  /// All nodes, leaves included.
  Index count() const { return offsets_.back(); }
  Index leaves() const { return tiling_.count(); }
  Index root() const { return count() - 1; }
  /// Grid of a level.
  Extent grid(int level) const { return grids_[static_cast<std::size_t>(level)]; }

  Node node(Index id) const;
  Index id(const Node& node) const;
  bool is_leaf(Index id) const { return id < leaves(); }
  /// Expects id != root().
  Index parent(Index id) const;
  /// Children in the order z, y, x (raster order of their positions). Empty for a leaf.
  std::vector<Index> children(Index id) const;
  /// The voxels that the node covers.
  Box box(Index id) const;
  const Tiling& tiling() const { return tiling_; }

 private:
  Tiling tiling_;
  std::vector<Extent> grids_;
  std::vector<Index> offsets_;  // first id of each level, and the count
};

/// Position of a grid point on the Morton (Z-order) curve, 21 bits an axis.
std::uint64_t morton(Coord position);

}  // namespace petavox
