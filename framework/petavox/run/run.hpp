#pragma once
// Running a plan: the three executors behind one interface, and what a run reports.
// Promises: whatever the executor, the number of ranks, the schedule or the number of crashes and resumes, a
// complete run has the same digests. Nothing that existed is lost by a run that fails.

#include "petavox/comm/communicator.hpp"
#include "petavox/run/inputs.hpp"
#include "petavox/run/progress.hpp"

#include <functional>
#include <string>
#include <vector>

namespace petavox {

struct RunOptions {
  bool reuse = false;               ///< keep unchanged stages of an output made from another config
  bool retry_quarantined = false;   ///< give tasks that killed their workers another chance
  bool keep_packs = false;          ///< keep all intermediates, whatever the config says
  bool profile = false;             ///< every thread writes down what it does: see profile.hpp
  bool master_works = true;         ///< the master rank computes too where ranks are few
  std::string prediction;           ///< what `plan` said, as JSON: kept as prediction.json for the report
  std::uint64_t schedule_seed = 0;  ///< other than 0: shuffles the order of tasks (for `verify`)
  bool live = true;                 ///< the master writes "live/G" about once a second, for `petavox status`
  /// Called by the master about once a second, and when the launch is over; must be quick.
  std::function<void(const Progress&)> on_progress;
};

struct VolumeReport {
  std::string name, kind;
  Hash128 digest;
};
struct FailedTask {
  std::string task, text;
  bool blocked = false;  ///< never ran: something that it depends on failed
};
struct StepReport {
  std::string name;
  Index total = 0, done = 0, skipped = 0, failed = 0, blocked = 0;
  double seconds = 0;  ///< of all workers together, in this launch
  std::uint64_t bytes_read = 0, bytes_written = 0;
};

struct RunReport {
  ExitCode exit_code = ExitCode::internal;
  bool complete = false;
  std::vector<VolumeReport> volumes;
  Hash128 digest;  ///< of all volumes together; meaningful if complete
  std::vector<FailedTask> failures;
  std::vector<StepReport> steps;
  std::vector<std::string> notes;
  std::vector<std::pair<std::string, std::string>> summaries;  ///< volume name -> JSON text (scores)
  Index tasks_run = 0, tasks_resumed = 0;
  double wall_s = 0;
  std::uint32_t generation = 0;
  std::string output_dir;
  /// A thread hangs in a stage: the caller must leave with std::_Exit after it has printed what it has to.
  bool must_exit_at_once = false;
};

/// Local. One process, one thread.
RunReport run_serial(const Plan& plan, const InputSet& inputs, const RunOptions& options);

/// Local. `ranks` threads of this process as ranks; every rank has its own view of the inputs through
/// `inputs` (shared, thread-safe).
RunReport run_loopback(const Plan& plan, const InputSet& inputs, int ranks, const RunOptions& options);

/// Collective. The report is complete on rank 0; on the others only its exit code is set.
RunReport run_distributed(const Plan& plan, const InputSet& inputs, Communicator& comm,
                          const RunOptions& options);

// ---- stopping ----

/// Installs handlers of SIGINT, SIGTERM and SIGUSR1 that ask the run to stop cleanly (exit code 75).
void install_stop_handlers();
bool stop_requested();
/// For tests: what the handlers do, or its undoing.
void request_stop(bool stop);

}  // namespace petavox
