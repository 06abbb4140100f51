#pragma once
// What a run leaves behind for those who look at it from outside: the list of its steps ("steps.json"), how
// each launch ended (a note in its journal), and what a supervisor saw of the launches ("launches.jsonl").

#include "petavox/base/error.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/geometry/coord.hpp"
#include "petavox/io/output_root.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace petavox {

class Plan;

/// A step as others need to know it.
struct StepRecord {
  std::string name, kind;
  Index tasks = 0;
  Hash128 fingerprint;
};
struct RunRecord {
  Hash128 plan;
  int max_attempts = 0;  ///< charges after which a task is set aside
  std::vector<StepRecord> steps;
  /// Number of tasks of each step.
  std::vector<std::int64_t> task_counts() const;
  std::vector<Hash128> fingerprints() const;
};
/// Replaces "steps.json" atomically.
void write_run_record(const OutputRoot& root, const Plan& plan);
/// Throws Error{io} if it is missing or is not what write_run_record() writes.
RunRecord read_run_record(const OutputRoot& root);

/// For each of `theirs` the position in `ours`, or -1: the steps of another plan, as this one numbers them.
std::vector<std::int64_t> match_steps(const std::vector<Hash128>& theirs, const std::vector<Hash128>& ours);

/// The note that a launch leaves in its journal when it ends by itself, and what it says.
std::string end_note(ExitCode code);
std::optional<ExitCode> parse_end_note(std::string_view text);

/// A launch as its supervisor saw it.
struct LaunchRecord {
  int number = 0;  ///< from 1, of this supervisor
  double started_unix_s = 0, ended_unix_s = 0;
  int exit_code = 0;  ///< 128 + signal for a process that was killed
  bool asked_to_stop = false, ended_by_force = false;
  Index done_before = 0, done_after = 0;  ///< tasks of the run
  friend bool operator==(const LaunchRecord&, const LaunchRecord&) = default;
};
/// Adds a line to "launches.jsonl". One supervisor writes.
void append_launch(const OutputRoot& root, const LaunchRecord& record);
/// Lines that are cut or damaged are left out. Empty if there is no such file.
std::vector<LaunchRecord> read_launches(const OutputRoot& root);

}  // namespace petavox
