#include "stages/agglomerate/agglomerate_stage.hpp"

#include "stages/agglomerate/graph_reduction.hpp"

namespace petavox {

static_assert(Reduction<Agglomerate>);

Agglomerate::Agglomerate(Params& params) {
  using agglomerate::billionths;
  const NumberRange fraction{0.0, 1.0};
  const IntegerRange size{0, std::numeric_limits<std::int64_t>::max()};
  rule_.threshold = billionths(
      params.number("threshold", 0.5, fraction,
                    "least mean affinity of two segments that join, as a fraction of full affinity"));
  rule_.small_voxels = static_cast<std::uint64_t>(params.integer(
      "small_voxels", 0, size, "segments of fewer voxels join from small_threshold on; 0: none"));
  rule_.small_threshold = billionths(
      params.number("small_threshold", 0.0, fraction, "replaces threshold where either segment is small"));
  rule_.large_voxels = static_cast<std::uint64_t>(
      params.integer("large_voxels", 0, size, "two segments of at least so many voxels are large; 0: none"));
  rule_.large_sum_voxels = static_cast<std::uint64_t>(params.integer(
      "large_sum_voxels", 0, size, "voxels that two large segments must have together for large_threshold"));
  rule_.large_threshold = billionths(
      params.number("large_threshold", 1.0, fraction, "replaces threshold between two large segments"));
  connected_ = agglomerate::connected_parameter(params);
  if (rule_.small_voxels > 0 && rule_.large_voxels > 0 && rule_.large_voxels < rule_.small_voxels)
    params.problem("large_voxels",
                   "it is less than small_voxels (a segment would be both small and large); "
                   "raise it to small_voxels or more");
}

Contract Agglomerate::contract(const Setup&) const { return agglomerate::graph_contract("segments"); }

Agglomerate::State Agglomerate::absorb(const BlockInputs& inputs, const ReductionContext& context,
                                       NameChanges&) const {
  return agglomerate::graph_of_block(inputs, context);
}

void Agglomerate::settle(State& state, const ReductionContext& context, NameChanges& changes) const {
  if (!connected_ && !context.root()) return;
  agglomerate::Outcome outcome = agglomerate::link(std::move(state), rule_, context, connected_);
  for (const agglomerate::Fate& fate : outcome.fates) {
    if (fate.settled != 0)
      changes.settle(fate.name, fate.to);
    else
      changes.rename(fate.name, fate.to);
  }
  state = std::move(outcome.rest);
}

SpillVector<Name> Agglomerate::open_names(const State& state) const { return agglomerate::open_names(state); }

}  // namespace petavox
