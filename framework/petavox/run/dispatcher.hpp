#pragma once
// Carries the master's work to the workers and their results back. One thread; the journal, the scheduler and
// the tables belong to the Master, the messages to the Communicator.

#include "petavox/comm/communicator.hpp"
#include "petavox/run/master.hpp"
#include "petavox/run/worker.hpp"

#include <set>

namespace petavox {

class Dispatcher {
 public:
  /// `local`: the master rank's own workers, or nothing. All three must outlive the dispatcher.
  Dispatcher(Communicator& comm, Master& master, WorkerTeam* local);
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  ~Dispatcher() { master_.while_busy({}); }

  /// Local. Until everything is done or the run must stop.
  void run();
  /// Local. Collects the results of the tasks at hand and sends everybody away. False if one of this
  /// process's own workers hangs.
  bool stop(int code);

 private:
  void join(WorkerId worker);
  void join_all(int rank);
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
  std::set<int>* left_ = nullptr;  // while stopping: who has not answered yet
  TimePoint last_beat_ = steady_now();
};

}  // namespace petavox
