#include "stages/agglomerate/graph_reduction.hpp"

#include "stages/region_graph/region_graph_stage.hpp"

namespace petavox::agglomerate {

Contract graph_contract(const std::string& renamed) {
  InPort supervoxels;
  supervoxels.name = "supervoxels";
  supervoxels.kind = PortKind::labels;
  OutPort out;
  out.name = renamed;
  out.kind = PortKind::labels;
  Contract contract;
  contract.reads = {supervoxels};
  for (const OutPort& table : region_graph_tables()) {
    InPort& port = contract.reads.emplace_back();
    port.name = table.name;
    port.kind = table.kind;
    port.columns = table.columns;
  }
  contract.writes = {out};
  return contract;
}

bool connected_parameter(Params& params) {
  return params.flag("connected", true,
                     "supervoxels hang together and are called by their first voxel, as `watershed` and "
                     "`components` leave them; false: nothing is joined before the root of the merge tree");
}

ContactGraph graph_of_block(const BlockInputs& inputs, const ReductionContext& context) {
  const Table edges = inputs.table("region_graph"), nodes = inputs.table("region_nodes");
  return graph_of_block(edges.rows<region_graph::Edge>(), nodes.rows<region_graph::Node>(), context);
}

SpillVector<Name> open_names(const ContactGraph& graph) {
  SpillVector<Name> names;
  for (const Node& node : graph.nodes)
    if (node.known != 0) names.push_back(node.name);
  return names;
}

}  // namespace petavox::agglomerate
