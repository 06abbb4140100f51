#pragma once
// Merging of small segments into their best neighbours inside a box of a larger volume: all that can be
// decided there. The definition, and the proof that boxes agree with the whole, are in docs/invariance.md,
// "Size merge".
//
// Time: O(m log m) for m contacts. Memory: 40 bytes a node and 32 a contact; while a box is worked on, 4 more
// for each contact that counts, and 32 for each that can still lead to a join in the class of similar means
// (of 256) that has most of them. All of it spills with the context's budget.

#include "stages/agglomerate/contact_graph.hpp"
#include "stages/agglomerate/merge_rule.hpp"

namespace petavox::size_merge {

using agglomerate::Contact;

/// Which segments are small, and what contacts they may merge through.
struct Rule {
  std::uint64_t min_voxels = 0;
  agglomerate::Billionths min_affinity = 0;  ///< least mean affinity of the contact of two supervoxels
};

/// What is undecided in a box. A node that may go on outside is called by the name of its supervoxel, as
/// elsewhere, even if it has taken in others that begin earlier: what it will be called is kept beside it.
struct State {
  agglomerate::ContactGraph graph;  ///< its contacts may have more voxel edges outside the box
  SpillVector<Name> least;          ///< of each node: the least name of its supervoxels
  SpillVector<Contact> known;  ///< contacts of which all is known; a < b, each pair once, sorted by (a, b)
};

State state_of_block(agglomerate::ContactGraph graph, const ReductionContext& context);
State united(State a, State b, const Join& join, const ReductionContext& context, bool connected);

/// Merges what can be merged and removes what is decided, telling `changes`.
/// Throws what agglomerate::check_nodes throws.
void settle(State& state, const Rule& rule, const ReductionContext& context, bool connected,
            NameChanges& changes);

void pack(const State& state, ByteWriter& writer);
/// Throws Error{io} if the bytes are not a packed state.
State unpack(ByteReader& reader, const ReductionContext& context);

}  // namespace petavox::size_merge
