#pragma once
// The cleaned flow as the solver reads it: with weights, between its nodes.

#include "stages/align/field.hpp"
#include "stages/align/solve.hpp"

namespace petavox::align {

/// A displacement and how much it counts.
struct Weighted {
  Vec2 flow;
  double weight = 0;
};

/// Flow of all links over a box of nodes of one lattice, in pixels.
class FlowLattice {
 public:
  /// The nodes as they are.
  FlowLattice(const Array& clean, std::size_t num_links);
  /// Means over `coarsening` x `coarsening` nodes.
  FlowLattice(const Array& clean, std::size_t num_links, Index coarsening);

  const Box& box() const { return box_; }
  const Box& domain() const { return domain_; }
  const Weighted& node(std::size_t link, Coord p) const {
    return nodes_[link * static_cast<std::size_t>(box_.voxels()) + static_cast<std::size_t>(box_.raster(p))];
  }
  /// Between nodes: the weighted mean of the four round (y, x), in nodes, clamped to the domain; its weight
  /// is the sum of theirs, each by its share.
  Weighted at(std::size_t link, Index z, double y, double x) const;

 private:
  Box box_, domain_;
  std::vector<Weighted> nodes_;
};

}  // namespace petavox::align
