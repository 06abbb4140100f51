#include "stages/size_merge/size_merge_stage.hpp"

#include "stages/agglomerate/graph_reduction.hpp"

#include <limits>

namespace petavox {

static_assert(Reduction<SizeMerge>);

SizeMerge::SizeMerge(Params& params) {
  rule_.min_voxels = static_cast<std::uint64_t>(
      params.integer("min_size", 100, {1, std::numeric_limits<std::int64_t>::max()},
                     "segments of fewer voxels join the neighbour with the best contact"));
  rule_.min_affinity = agglomerate::billionths(
      params.number("min_affinity", 0.0, {0.0, 1.0},
                    "least mean affinity of a contact that counts, as a fraction of full affinity"));
  connected_ = agglomerate::connected_parameter(params);
}

Contract SizeMerge::contract(const Setup&) const { return agglomerate::graph_contract("merged"); }

SizeMerge::State SizeMerge::absorb(const BlockInputs& inputs, const ReductionContext& context,
                                   NameChanges&) const {
  return size_merge::state_of_block(agglomerate::graph_of_block(inputs, context), context);
}

SpillVector<Name> SizeMerge::open_names(const State& state) const {
  return agglomerate::open_names(state.graph);
}

}  // namespace petavox
