#pragma once
// A worker: a queue of work, a runner, and results that are made durable before they are reported. Used by
// worker ranks (over a communicator) and by the master's own thread.

#include "petavox/comm/communicator.hpp"
#include "petavox/run/stop.hpp"
#include "petavox/run/task_runner.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace petavox {

/// Not synchronised.
class WorkerCore {
 public:
  WorkerCore(const Plan& plan, const InputSet& inputs, const OutputRoot& root, std::uint32_t generation,
             std::uint32_t writer)
      : runner_{plan, inputs, root, generation, writer}, watched_{runner_.slots()} {}

  void add(std::vector<Work> work) {
    for (Work& w : work) queue_.push_back(std::move(w));
  }
  bool idle() const { return queue_.empty(); }
  bool has_results() const { return !finished_.empty(); }
  /// Runs the next task, if there is one.
  void run_one();
  /// True if results should be handed over now: the queue is empty, or they have waited or grown enough.
  bool due() const;
  /// The results so far, durable. If the storage fails, they come back as one fatal outcome.
  std::vector<TaskOutcome> take_results();
  /// Forgets work that was not begun.
  void drop_queue() { queue_.clear(); }

 private:
  TaskRunner runner_;
  WatchedSlots watched_;
  std::deque<Work> queue_;
  std::vector<TaskOutcome> finished_;
  std::chrono::steady_clock::time_point oldest_{};
};

/// Local. The loop of a worker rank: until the master says stop. Returns the exit code that the master sent.
int serve_as_worker(Communicator& comm, WorkerCore& core);

/// The master rank's own worker, in a thread. Thread-safe.
class LocalWorker {
 public:
  LocalWorker(const Plan& plan, const InputSet& inputs, const OutputRoot& root, std::uint32_t generation);
  /// Waits for the task at hand.
  ~LocalWorker();
  void give(std::vector<Work> work);
  /// What was finished since the last call. Throws what stopped the thread.
  std::vector<TaskOutcome> take();
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
  std::vector<TaskOutcome> results_;
  std::exception_ptr error_;
  bool stopping_ = false, stopped_ = false;
  std::thread thread_;
};

}  // namespace petavox
