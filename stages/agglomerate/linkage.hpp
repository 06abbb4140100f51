#pragma once
// Mean-affinity linkage inside a box of a larger volume: joins all that can be decided there, and keeps what
// cannot. The definition and the proof that boxes agree with the whole are in docs/invariance.md.
//
// Time: O(m log² m) for m contacts, whatever the degrees (short rows are poured into long ones). Memory: 32
// bytes a contact for the graph itself and 4 for the rounds; after these, for each contact that is left, 8
// for its rows, 12 to 24 if it is one of a node with more than 192, and 32 to 40 if it reaches the threshold
// at a node with more than 192 of those; 18 to 40 a node. All of it spills with the context's budget.

#include "stages/agglomerate/contact_graph.hpp"
#include "stages/agglomerate/merge_rule.hpp"

namespace petavox::agglomerate {

/// What became of a known node.
struct Fate {
  Name name = 0;              ///< of the node given
  Name to = 0;                ///< of the segment that it is now a part of
  std::uint64_t settled = 0;  ///< 1: the segment is final
};

struct Outcome {
  SpillVector<Fate> fates;  ///< sorted by name
  ContactGraph rest;        ///< the undecided part
  std::uint64_t steps = 0;  ///< contacts looked at: what the work grows with
};

/// Nodes that touch an open face of context.box are incomplete, and so are unknown ones.
/// Throws Error{io} if there are unknown nodes but no open face; with `connected`, Error{stage} for a
/// complete node that does not begin in the box.
Outcome link(ContactGraph graph, const MergeRule& rule, const ReductionContext& context,
             bool connected = true);

}  // namespace petavox::agglomerate
