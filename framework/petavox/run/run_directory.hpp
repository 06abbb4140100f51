#pragma once
// What is in a run directory: opening finished volumes, and the files that tell a run from another.
//   run.yaml           the configuration, as it was run
//   plan.txt           fingerprint and canonical parameters of the plan
//   prediction.json    its steps, and what `petavox plan` said of them before the run
//   journal/ packs/ index/ running/ scratch/   the work in progress
//   volumes/<name>.h5  each final volume as one array (a virtual dataset over volumes/<name>.shards/)
//   reports/<name>.json summaries (scores)
//   manifest.json, COMPLETE

#include "petavox/io/manifest.hpp"
#include "petavox/pipeline/plan.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace petavox {

/// True for a directory that a run has begun.
bool is_run_directory(const std::filesystem::path& directory);

/// A final volume of a finished run, checked chunk by chunk as it is read. Throws Error{io} with the volumes
/// that there are if it has none of this name.
std::unique_ptr<Volume> open_run_volume(const std::filesystem::path& directory, const std::string& name);

/// Config, versions, inputs: what a reader needs to know where a result came from.
std::vector<std::pair<std::string, std::string>> provenance_of(const Plan& plan);

/// The keys that differ between two canonical texts ("key=value" lines), at most `limit`.
std::vector<std::string> differing_keys(const std::string& before, const std::string& now,
                                        std::size_t limit = 10);

}  // namespace petavox
