#pragma once
// Mean-affinity linkage inside a box of a larger volume: joins all that can be decided there, and keeps what
// cannot. The definition and the proof that boxes agree with the whole are in docs/invariance.md.
//
// Time: O(m log m) comparisons for m contacts, whatever the degrees. Memory: 32 bytes a contact for the graph
// itself, 21 for its index and 24 for each contact that reaches the lowest threshold.

#include "stages/agglomerate/contact_graph.hpp"
#include "stages/agglomerate/merge_rule.hpp"

namespace petavox::agglomerate {

/// What became of a node.
struct Fate {
  Name name = 0;         ///< of the node given
  Name to = 0;           ///< of the segment that it is now a part of
  bool settled = false;  ///< the segment is final
};

struct Outcome {
  std::vector<Fate> fates;  ///< of all known nodes, sorted by name
  ContactGraph rest;        ///< the undecided part
};

/// `open`: the faces of the box beyond which the volume goes on. Nodes that touch one are incomplete; so are
/// unknown ones. Throws Error{resource} for 2^31 contacts or more.
Outcome link(ContactGraph graph, const MergeRule& rule, FaceMask open);

}  // namespace petavox::agglomerate
