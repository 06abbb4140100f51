#pragma once
// The truth of a phantom as files that other programs read: synapses as CSV, centre lines as SWC.

#include "petavox/io/output_root.hpp"

#include "stages/phantom/phantom.hpp"

namespace petavox::app {

struct TruthFiles {
  std::size_t num_synapses = 0, num_neurites = 0, num_nodes = 0;
};

/// Writes synapses.csv and skeletons.swc below `root`, replacing what is there. Holds all synapses and nodes
/// in memory: about one per 8,000 cubic units of 10 nm.
TruthFiles write_truth(const Phantom& phantom, const OutputRoot& root);

}  // namespace petavox::app
