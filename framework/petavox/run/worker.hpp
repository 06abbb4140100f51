#pragma once
// A worker: a queue of work, a runner, and results that are made durable before they are reported. Used by
// worker ranks (over a communicator) and by the master's own thread.

#include "petavox/base/clock.hpp"
#include "petavox/comm/communicator.hpp"
#include "petavox/run/task_runner.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

namespace petavox {

/// Not synchronised.
class WorkerCore {
 public:
  explicit WorkerCore(std::unique_ptr<Runner> runner) : runner_{std::move(runner)} {}

  void add(std::vector<Work> work) {
    for (Work& w : work) queue_.push_back(std::move(w));
  }
  bool idle() const { return queue_.empty(); }
  bool has_results() const { return !finished_.empty(); }
  /// Runs the next task, if there is one.
  void run_one();
  /// True if results should be handed over now: the queue is empty, they have waited or grown enough, or what
  /// comes next may take long.
  bool due() const;
  /// The results so far, durable. If the storage fails, they come back as one fatal outcome.
  std::vector<TaskOutcome> take_results();
  void release(const Release& release) { runner_->release(release); }
  /// Forgets work that was not begun.
  void drop_queue() { queue_.clear(); }

 private:
  bool next_is_short() const;
  std::unique_ptr<Runner> runner_;
  std::deque<Work> queue_;
  std::vector<TaskOutcome> finished_;
  std::vector<bool> short_steps_;  // whose last task was short; others may take long
  TimePoint oldest_{};
};

/// A rank that is idle and hears nothing from the master for so long leaves: its master is gone.
inline constexpr std::chrono::seconds max_silence{120};
/// Local. Says so to the user, and to the master, should it live after all.
void leave_silent_master(Communicator& comm, int master);

/// Local. The loop of a rank with one worker: until the master says stop. Returns the exit code that the
/// master sent.
int serve_as_worker(Communicator& comm, WorkerCore& core);

/// A worker in a thread of its own. Thread-safe.
class LocalWorker {
 public:
  LocalWorker(Workplace& place, int thread);
  /// Waits for the task at hand.
  ~LocalWorker();
  void give(std::vector<Work> work);
  void release(const std::vector<Release>& list);
  /// What was finished since the last call. Throws what stopped the thread.
  std::vector<TaskOutcome> take();
  /// Has nothing to do and nothing to tell.
  bool idle();
  /// Takes no more work; returns when the task at hand is finished and its result can be taken, or false if
  /// that takes longer than `timeout`: the thread hangs in a stage, and only the end of the process can end
  /// it.
  bool stop(std::chrono::milliseconds timeout);

 private:
  void loop();
  void hand_over();
  WorkerCore core_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Work> given_;
  std::vector<Release> releases_;
  std::vector<TaskOutcome> results_;
  std::exception_ptr error_;
  bool busy_ = false, stopping_ = false, stopped_ = false;
  std::thread thread_;
};

/// The workers of one rank, each in a thread of its own. Thread-safe.
class WorkerTeam {
 public:
  /// As many as the workplace has threads.
  explicit WorkerTeam(Workplace& place);
  /// Expects a worker of this rank.
  void give(WorkerId worker, std::vector<Work> work);
  void release(const std::vector<Release>& list);
  /// What each has finished since the last call. Throws what stopped a thread.
  std::vector<std::pair<WorkerId, std::vector<TaskOutcome>>> take();
  /// As LocalWorker::idle(), all of them.
  bool idle();
  /// As LocalWorker::stop(), of all.
  bool stop(std::chrono::milliseconds timeout);

 private:
  int rank_, threads_;
  std::vector<std::unique_ptr<LocalWorker>> workers_;
};

/// Local. The loop of a rank with several workers: this thread only carries messages. Also gives signs of
/// life every quarter of `lease`, so that the master can tell a worker that hangs from a rank that has died.
struct TeamOutcome {
  int code = 0;          ///< that the master sent
  bool all_left = true;  ///< false: a stage never returned, and its thread holds the workplace
};
TeamOutcome serve_as_team(Communicator& comm, WorkerTeam& team, std::chrono::duration<double> lease);

}  // namespace petavox
