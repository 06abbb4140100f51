#pragma once
// A plan as text: blocks, tasks, bytes, files and memory, before anything is run.

#include "apps/petavox/costs.hpp"
#include "apps/petavox/setup.hpp"

#include <optional>
#include <string>

namespace petavox::app {

/// Time, bytes on disk and bandwidth only where costs are known.
std::string plan_text(const Pipeline& pipeline, const Machine& machine, const std::optional<Costs>& costs);
/// One object in one line.
std::string plan_json(const Pipeline& pipeline, const Machine& machine, const std::optional<Costs>& costs);

/// What the inputs of a run keep in memory beside what was read of them: decoded sections and tiles, chunks
/// of HDF5 files, painted pieces of phantoms. An upper bound.
double input_cache_bytes(const Pipeline& pipeline);

}  // namespace petavox::app
