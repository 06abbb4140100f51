#pragma once
// A command that was started and is watched: it, its descendants, and the shared memory that they leave.
// Linux. WatchedSignals and reap() take all children of the process for those of one command.

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

namespace petavox::app {

/// Blocks the signals that a supervisor waits for, and makes orphans of its children its own children.
class WatchedSignals {
 public:
  WatchedSignals();
  ~WatchedSignals();
  WatchedSignals(const WatchedSignals&) = delete;
  WatchedSignals& operator=(const WatchedSignals&) = delete;
  /// The next of SIGINT, SIGTERM, SIGHUP and SIGUSR1, or nothing after the time. Also returns early, with
  /// nothing, when a child has ended.
  std::optional<int> wait(std::chrono::milliseconds timeout) const;
};

/// Files in /dev/shm that processes have mapped. A killed mpirun leaves them behind, and they are memory.
class SharedSegments {
 public:
  /// What is there now belongs to others.
  SharedSegments();
  /// Notes those that a process and its descendants have mapped, that are ours and were not there before.
  void note(pid_t root);
  /// Removes what was noted and nobody maps any more. Returns their names.
  std::vector<std::string> remove_leaked();

 private:
  std::set<std::string> before_, noted_;
};

class LaunchedProcess {
 public:
  /// Starts the command in a process group of its own, with no standard input; it is told to end if this
  /// process dies. Throws Error{config} if it cannot be executed.
  explicit LaunchedProcess(const std::vector<std::string>& command);
  /// Kills what is left.
  ~LaunchedProcess();
  LaunchedProcess(const LaunchedProcess&) = delete;
  LaunchedProcess& operator=(const LaunchedProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// The exit code, 128 + signal for one that was killed; nothing while it runs.
  std::optional<int> poll();
  /// To the command alone: mpirun and srun forward SIGUSR1 to the ranks.
  void signal(int number) const;
  /// To it and everything below it.
  void signal_all(int number) const;
  /// Waits for descendants that have outlived it, and kills those that stay. The next launch must not meet
  /// them.
  void reap(std::chrono::milliseconds grace);

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
};

/// The process and all below it, by what /proc says.
std::vector<pid_t> family_of(pid_t root);
/// Whether a process below it has not ended.
bool has_living_below(pid_t root);

}  // namespace petavox::app
