#pragma once
// A cluster that does not exist: workers, messages, a file system and failures as discrete events round the
// scheduler of real runs. The scheduler decides as it does in a run (schedule/scheduler.hpp, every call of it
// is real); the loop round it is that of run/dispatcher.cpp, the reporting that of run/worker.cpp; what they
// cost in time are numbers of the caller, measured elsewhere.
// Promises: the same arguments give the same result, bit for bit, on every machine with the same libm;
// nothing is read from a clock. Local.

#include "petavox/schedule/scheduler.hpp"

#include <cstdint>
#include <vector>

namespace petavox::simulate {

/// A task of a step, alone on a worker.
struct TaskCost {
  double mean_s = 1;
  double log_sigma = 0;  ///< standard deviation of ln(duration): log-normal
  double bytes = 0;      ///< read and written through the file system
};

struct Cluster {
  std::int64_t workers = 1;
  double latency_s = 10e-6;          ///< of a message, one way
  double master_message_s = 1e-6;    ///< CPU of the master for each message that it gets
  double master_task_s = 2.5e-6;     ///< … for each task: taking its result, journaling, handing out
  double master_scan_s = 150e-9;     ///< … for each idle worker in each round of its loop
  double commit_s = 2.4e-3;          ///< a group commit of the journal, every
  double commit_interval_s = 50e-3;  ///< … so often
  double worker_task_s = 20e-6;      ///< overhead of a worker for each task
  double worker_report_s = 0;        ///< … for each report: what it stored is made durable
  double file_system_bytes_s = 0;    ///< of all workers together; 0: no limit
  double straggler_share = 0;        ///< of executions that take straggler_factor times as long
  double straggler_factor = 10;
  double mtbf_worker_s = 0;  ///< of one worker; 0: none fails
  double restart_s = 60;     ///< a death ends the launch; the next begins so much later
};

struct Options {
  std::uint64_t seed = 1;
  SchedulerOptions scheduler;
};

struct Result {
  std::int64_t tasks = 0;  ///< of the graph
  std::int64_t executions = 0;
  double makespan_s = 0;
  double work_s = 0;           ///< of tasks, once each, without any overhead
  double efficiency = 0;       ///< work_s / (workers * makespan_s)
  double master_load = 0;      ///< share of the makespan that the master was busy
  double tail_idle_tasks = 0;  ///< mean time of a worker between its last result and the end, in mean tasks
  double lost_s = 0;           ///< of workers: thrown away by deaths, and waiting for the next launch
  double duplicate_s = 0;      ///< of workers: further executions of what was slow
  std::int64_t deaths = 0;
  std::size_t scheduler_bytes = 0;  ///< most that the scheduler held
  bool finished = false;
};

/// `costs`: one for each step of the graph. Expects at least one worker.
Result run(const TaskGraph& graph, const std::vector<TaskCost>& costs, const Cluster& cluster,
           const Options& options);

/// The duration of an execution: the same for the same seed, task and attempt, whatever else happens.
double draw_seconds(const TaskCost& cost, const Cluster& cluster, std::uint64_t seed, TaskId task,
                    int attempt);

/// The mean duration at which half of the workers' time is work (METG of Task Bench): independent tasks, 300
/// for each worker, between 0.1 microseconds and 0.1 seconds.
double minimum_effective_seconds(const Cluster& cluster, const Options& options);

}  // namespace petavox::simulate
