#pragma once
// Carries the master's work to the workers and their results back. One thread; the journal, the scheduler and
// the tables belong to the Master, the messages to the Communicator.

#include "petavox/comm/communicator.hpp"
#include "petavox/run/master.hpp"
#include "petavox/run/worker.hpp"

#include <set>
#include <vector>

namespace petavox {

class Dispatcher {
 public:
  /// `local`: the master rank's own workers, or nothing. All three must outlive the dispatcher.
  Dispatcher(Communicator& comm, Master& master, WorkerTeam* local);
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  ~Dispatcher() { master_.while_busy({}); }

  /// Local. Until everything is done, the run must stop, or nobody is left to work.
  void run();
  /// Local. Collects the results of the tasks at hand and sends everybody away. False if one of this
  /// process's own workers hangs.
  bool stop(int code);

 private:
  void join(WorkerId worker);
  void join_all(int rank);
  /// The rank said that it is gone: what it was given goes to others, and no task is blamed.
  void part(int rank);
  /// Nobody is left who could work.
  bool deserted() const {
    return local_ == nullptr && gone_.size() + 1 == static_cast<std::size_t>(comm_.size());
  }
  /// The other ranks, but for those that are gone.
  std::vector<int> others() const;
  void listen(std::chrono::microseconds timeout);
  void take_local();
  void hand_out();
  void pass_on_releases();
  void beat();

  Communicator& comm_;
  Master& master_;
  WorkerTeam* local_;
  int threads_;  // of each rank
  std::set<WorkerId> joined_;
  std::set<int> gone_;             // ranks
  std::set<int>* left_ = nullptr;  // while stopping: who has not answered yet
  TimePoint last_beat_ = steady_now();
};

}  // namespace petavox
