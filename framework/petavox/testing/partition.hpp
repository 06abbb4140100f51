#pragma once
// The cuttings of a domain on which the kits compare a stage: the regular tilings of a run, and random
// guillotine cuttings with the binary tree that made them. Immutable, hence thread-safe.

#include "petavox/geometry/tiling.hpp"

#include <optional>
#include <vector>

namespace petavox::testing {

/// Boxes that partition a domain, and a tree over them.
struct Partition {
  /// A node covers `box`; a leaf is block number `block`. Children come before their parent, in raster order;
  /// the root is the last node.
  struct Node {
    Box box;
    std::vector<std::size_t> children{};
    std::size_t parent = 0;  ///< of the root: itself
    std::size_t block = 0;   ///< of a leaf
    bool is_leaf() const { return children.empty(); }
  };
  Box domain;
  std::vector<Box> cores;
  std::vector<Node> nodes;
  std::optional<Tiling> tiling{};  ///< if the blocks are those of a tiling, in its order

  /// The blocks and the Morton merge tree of a run.
  static Partition regular(const Box& domain, Extent block_shape);
  /// At most `max_blocks` boxes made by random cuts across random axes.
  static Partition guillotine(const Box& domain, std::size_t max_blocks, std::uint64_t seed);
};

/// A small deterministic generator: the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_{seed} {}
  std::uint64_t next();
  /// Uniform in 0 … bound - 1, for a bound far below 2^64.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace petavox::testing
