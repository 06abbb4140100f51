#include "stages/size_merge/size_merge_stage.hpp"

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
  connected_ =
      params.flag("connected", true,
                  "supervoxels hang together and are called by their first voxel, as `watershed` and "
                  "`components` leave them; false: nothing is joined before the root of the merge tree");
}

Contract SizeMerge::contract(const Setup&) const {
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
  OutPort merged;
  merged.name = "merged";
  merged.kind = PortKind::labels;
  Contract contract;
  contract.reads = {supervoxels, edges, nodes};
  contract.writes = {merged};
  return contract;
}

SizeMerge::State SizeMerge::absorb(const BlockInputs& inputs, const ReductionContext& context,
                                   NameChanges&) const {
  const Table edges = inputs.table("region_graph"), nodes = inputs.table("region_nodes");
  return size_merge::state_of_block(agglomerate::graph_of_block(edges.rows<region_graph::Edge>(),
                                                                nodes.rows<region_graph::Node>(), context),
                                    context);
}

SpillVector<Name> SizeMerge::open_names(const State& state) const {
  SpillVector<Name> names;
  for (const agglomerate::Node& node : state.graph.nodes)
    if (node.known != 0) names.push_back(node.name);
  return names;
}

}  // namespace petavox
