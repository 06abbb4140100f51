#include "stages/agglomerate/agglomerate_stage.hpp"

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
  connected_ =
      params.flag("connected", true,
                  "supervoxels hang together and are called by their first voxel, as `watershed` and "
                  "`components` leave them; false: nothing is joined before the root of the merge tree");
  if (rule_.small_voxels > 0 && rule_.large_voxels > 0 && rule_.large_voxels < rule_.small_voxels)
    params.problem("large_voxels",
                   "it is less than small_voxels (a segment would be both small and large); "
                   "raise it to small_voxels or more");
}

Contract Agglomerate::contract(const Setup&) const {
  InPort supervoxels;
  supervoxels.name = "supervoxels";
  supervoxels.kind = PortKind::labels;
  InPort edges;
  edges.name = "region_graph";
  edges.kind = PortKind::table;
  edges.columns = region_graph::edge_columns();
  InPort nodes;
  nodes.name = "region_nodes";
  nodes.kind = PortKind::table;
  nodes.columns = region_graph::node_columns();
  OutPort segments;
  segments.name = "segments";
  segments.kind = PortKind::labels;
  Contract contract;
  contract.reads = {supervoxels, edges, nodes};
  contract.writes = {segments};
  return contract;
}

Agglomerate::State Agglomerate::absorb(const BlockInputs& inputs, const ReductionContext& context,
                                       NameChanges&) const {
  const Table edges = inputs.table("region_graph"), nodes = inputs.table("region_nodes");
  return agglomerate::graph_of_block(edges.rows<region_graph::Edge>(), nodes.rows<region_graph::Node>(),
                                     context);
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

SpillVector<Name> Agglomerate::open_names(const State& state) const {
  SpillVector<Name> names;
  for (const agglomerate::Node& node : state.nodes)
    if (node.known != 0) names.push_back(node.name);
  return names;
}

}  // namespace petavox
