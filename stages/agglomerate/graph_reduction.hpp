#pragma once
// What reductions over the tables of `region_graph` have in common: they read the labels `supervoxels` with
// the tables `region_graph` and `region_nodes`, rename the labels, and pass the names of their graph up.

#include "petavox/stage/params.hpp"

#include "stages/agglomerate/contact_graph.hpp"

namespace petavox::agglomerate {

/// `renamed`: the port of the labels that are written.
Contract graph_contract(const std::string& renamed);
/// The parameter `connected`.
bool connected_parameter(Params& params);
/// The graph of the block's tables.
ContactGraph graph_of_block(const BlockInputs& inputs, const ReductionContext& context);
/// The names that may still change: all but those of nodes only seen from across a face.
SpillVector<Name> open_names(const ContactGraph& graph);

}  // namespace petavox::agglomerate
