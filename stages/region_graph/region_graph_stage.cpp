#include "stages/region_graph/region_graph_stage.hpp"

#include "stages/region_graph/region_graph.hpp"

namespace petavox {

std::vector<OutPort> region_graph_tables() {
  OutPort edges;
  edges.name = "region_graph";
  edges.kind = PortKind::table;
  edges.columns = region_graph::edge_columns();
  OutPort nodes;
  nodes.name = "region_nodes";
  nodes.kind = PortKind::table;
  nodes.columns = region_graph::node_columns();
  return {edges, nodes};
}

Contract RegionGraphStage::contract(const Setup&) const {
  InPort supervoxels;
  supervoxels.name = "supervoxels";
  supervoxels.kind = PortKind::labels;
  supervoxels.reads.halo = Halo::lower(1);
  InPort affinities;
  affinities.name = "affinities";
  affinities.accepts = {DType::u8, DType::u16};
  affinities.channels = 3;
  Contract contract;
  contract.reads = {supervoxels, affinities};
  contract.writes = region_graph_tables();
  // An edge takes 40 bytes in the table and 40 while it is summed and sorted; fragments meet at about one
  // edge for every 15 voxels (measured on real and synthetic affinities).
  contract.scratch_bytes_per_voxel = 6;
  return contract;
}

void RegionGraphStage::run(const BlockInputs& inputs, BlockOutputs& outputs,
                           const BlockContext& context) const {
  const LabelArray labels = inputs.labels("supervoxels");
  const Box core = inputs.core();
  region_graph::Builder builder{labels, core, context.domain()};
  constexpr Index slab = 16;  // sections of affinities held at a time
  for (Index z = core.begin.z; z < core.end.z; z += slab) {
    Box box = core;
    box.begin.z = z;
    box.end.z = std::min(core.end.z, z + slab);
    builder.add(inputs.image("affinities", box));
  }
  const std::vector<region_graph::Edge> edges = builder.edges();
  outputs.table("region_graph").append(std::span<const region_graph::Edge>{edges});
  const std::vector<region_graph::Node> nodes = builder.nodes();
  outputs.table("region_nodes").append(std::span<const region_graph::Node>{nodes});
}

}  // namespace petavox
