#pragma once
// Keeps a run going: starts its command again and again until the run directory says that it is complete.
// What counts is what the run put on record, never the exit code of a launcher alone (an mpirun that has lost
// a rank may say 0, 137, or nothing at all). docs/decisions/0020-supervision.md.

#include "petavox/run/run_status.hpp"

#include <optional>
#include <string>
#include <vector>

namespace petavox::app {

/// How a launch ended.
struct LaunchEnd {
  int exit_code = 0;                 ///< of the command; 128 + signal
  std::optional<ExitCode> recorded;  ///< what the run itself put on record in this launch
  bool was_complete = false;         ///< the run was complete before
  bool asked = false;                ///< the supervisor was asked to stop
  bool progressed = false;           ///< tasks were finished, or deaths charged to their task
};

struct Decision {
  enum class Kind { finish, relaunch, give_up } kind = Kind::finish;
  int code = 0;       ///< to leave with
  double wait_s = 0;  ///< before the next launch
};

/// What to do after a launch. Pure: no clock, no processes.
class RelaunchPolicy {
 public:
  RelaunchPolicy(int tries, double first_wait_s, double longest_wait_s)
      : tries_{tries}, first_wait_s_{first_wait_s}, longest_wait_s_{longest_wait_s} {}
  Decision after(const LaunchEnd& end);
  int without_progress() const { return stuck_; }

 private:
  int tries_, stuck_ = 0;
  double first_wait_s_, longest_wait_s_;
};

struct SuperviseOptions {
  std::string directory;
  std::vector<std::string> command;
  int tries = 3;            ///< launches in a row without progress
  double first_wait_s = 1;  ///< doubled after each launch without progress
  double longest_wait_s = 60;
  double stop_grace_s = 30;  ///< for a clean stop, before SIGTERM
  double end_grace_s =
      30;  ///< for the command to end after the run has; five times as long with no process left
  bool requeue = false;  ///< ask Slurm to run the job again after a warning signal
};

/// Returns the exit code. Throws Error{config} if the command cannot be executed.
int supervise(const SuperviseOptions& options);

}  // namespace petavox::app
