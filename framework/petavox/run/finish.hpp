#pragma once
// The end of a run: what makes its results readable. Everything here is written to its final name in one
// piece and can be written again from the records.

#include "petavox/io/result_index.hpp"
#include "petavox/run/run.hpp"

namespace petavox {

struct FinishContext {
  const Plan& plan;
  const InputSet& inputs;
  const OutputRoot& root;
  ResultIndex& index;
  const RunOptions& options;
  std::uint32_t generation = 0;
  bool predecessors_gone = false;  ///< no earlier master can still be at work
};

/// Writes the virtual dataset of each final volume whose shards are all there, the summaries, and, if nothing
/// failed, manifest.json and COMPLETE; fills in `report.volumes`, `digest`, `summaries` and `complete`.
void finish_run(const FinishContext& context, RunReport& report);

/// The combined digest of a run: over the names and digests of its volumes, sorted by name.
Hash128 combined_digest(std::vector<VolumeReport> volumes);

}  // namespace petavox
