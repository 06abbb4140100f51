#pragma once
// A master with simulated workers, driven at random, that checks every answer of the scheduler against a
// simple model: the promises of scheduler.hpp, written a second time.

#include "petavox/schedule/scheduler.hpp"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace petavox::testing {

struct SimulationOptions {
  int workers = 3;
  double fail = 0;            ///< probability that an execution fails
  double fail_hard = 0;       ///< … and cannot be retried
  double die = 0;             ///< … that its worker dies instead (and another joins)
  double blame = 0;           ///< … of a death that is charged to the task
  double zombie = 0;          ///< … that a report is repeated, or comes from a worker that was given up
  double release = 0;         ///< … that a task is given back
  double invalidate = 0;      ///< probability after each acceptance that some done task is found damaged
  std::set<TaskId> poison{};  ///< tasks that always fail
  SchedulerOptions scheduler{};
};

class Simulation {
 public:
  Simulation(const TaskGraph& graph, const SimulationOptions& options, std::uint64_t seed);
  /// For restore() and set_suspects() before run(); what is restored as done counts as done in the model.
  Scheduler& scheduler() { return scheduler_; }
  void restore_done(TaskId task);

  /// Runs to the end. Returns the first broken promise, or "".
  std::string run();

  const std::vector<Assignment>& handed_out() const { return log_; }
  /// Executions handed out for each task.
  const std::map<TaskId, int>& executions() const { return executions_; }

 private:
  struct Held {
    TaskId task;
    int attempt = 0;
  };
  bool chance(double p) { return std::uniform_real_distribution<>{}(random_) < p; }
  void broken(const std::string& what) {
    if (problem_.empty()) problem_ = what;
  }
  void hand_out(WorkerId worker, const std::vector<Assignment>& given);
  void ask_all();
  void step();
  void report_success(WorkerId worker, const Held& held, bool expected);
  void kill(WorkerId worker, std::optional<TaskId> blamed);
  void invalidate_one();
  void check_end();

  const TaskGraph& graph_;
  SimulationOptions options_;
  std::mt19937_64 random_;
  Scheduler scheduler_;
  Instant now_{0};
  std::map<WorkerId, std::vector<Held>> workers_;
  std::vector<std::pair<WorkerId, Held>> ghosts_;  // executions that ended or were given up
  std::set<TaskId> done_, quarantined_;
  std::map<TaskId, int> executions_;
  std::set<std::pair<TaskId, int>> attempts_;
  std::vector<Assignment> log_;
  std::int64_t next_worker_ = 1;
  int invalidations_left_ = 20;
  std::string problem_;
};

}  // namespace petavox::testing
