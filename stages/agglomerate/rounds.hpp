#pragma once
// Joins in bulk: in each round every two nodes whose contact is first at both, all at once and in the order
// of memory. Which joins happen, and what they give, does not depend on the order (docs/invariance.md,
// "Agglomeration"), so it is free where to stop: when a round no longer removes enough contacts to be worth
// its sweeps, what is left is linked node by node (linkage.cpp).
//
// Time: O(m) a round, and each but the last removes a part of the contacts: O(m) together. Memory: 4 bytes a
// contact and 14 a node besides the graph. Not synchronised.

#include "stages/agglomerate/contact_graph.hpp"
#include "stages/agglomerate/merge_rule.hpp"

namespace petavox::agglomerate {

enum class NodeState : std::uint8_t {
  open,    ///< may join
  frozen,  ///< incomplete, or its best contact leads to a frozen one: decided in a greater box
  alone,   ///< no contact of it reaches the lowest threshold: never joins again
};

/// What has become of the nodes of a graph.
struct Progress {
  SpillVector<std::uint32_t> parents;  ///< towards the node that stands for the segment; its own: that node
  SpillVector<NodeState> states;       ///< of nodes that stand for a segment
  std::uint64_t steps = 0;             ///< contacts looked at

  std::uint32_t root(std::uint32_t node) {
    while (parents[node] != node) {
      parents[node] = parents[parents[node]];
      node = parents[node];
    }
    return node;
  }
};

/// All nodes for themselves; those that are incomplete in context.box frozen.
Progress unjoined(const SpillVector<Node>& nodes, const ReductionContext& context);

/// Joins while it is worth its while. Segments are stood for by their node of the least name, whose `voxels`
/// are updated. Contacts that can no longer matter are removed; the others are between standing nodes, a < b,
/// each pair once, in no order.
void join_in_rounds(ContactGraph& graph, const MergeRule& rule, const ReductionContext& context,
                    Progress& progress);

}  // namespace petavox::agglomerate
