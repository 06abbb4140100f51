#pragma once
// What several masters would give: each has its share of the blocks and of the workers and knows nothing of
// the others; what their reductions leave is joined by a tree above, whose tasks the master at the top hands
// out. A model: a run has one master. Promises as in cluster.hpp. Local.

#include "petavox/simulate/cluster.hpp"

namespace petavox::simulate {

struct TwoLevels {
  int masters = 1;
  /// Of masters that are all alike, so many are simulated, each with draws of its own: the end of the last of
  /// all is later than that of the last of these.
  int simulated = 4;
  double join_s = 0;  ///< mean duration of a task that joins what join_fan_in groups, or joins of them, left
};
constexpr int join_fan_in = 8;

/// What runs below each master: `blocks` of all in even shares, with `costs` for each step, each of which
/// reads `reach` blocks away (block_chain.hpp).
struct Volume {
  Index blocks = 1;
  Index reach = 0;
  std::vector<TaskCost> costs;
};

/// `cluster` is all of it: its workers and its file system are shared out, and above the groups as many
/// workers as there are masters make the joins. Expects masters <= workers and <= blocks.
Result run(const Volume& volume, const Cluster& cluster, const Options& options, const TwoLevels& levels);

}  // namespace petavox::simulate
