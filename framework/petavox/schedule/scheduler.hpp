#pragma once
// Which task next: a pure state machine. No I/O, no clock (times are passed in), no randomness: the same
// sequence of calls gives the same answers.
// Promises: a task is handed out only when all its dependencies are done; exactly one result of each task is
// accepted; a task that cannot succeed is quarantined and what depends on it is blocked, and everything else
// still runs; memory is 2 bits a task plus O(workers + ready tasks).
// The order: later steps first (so that intermediates are consumed while they are few), then near what the
// worker has just done; tasks that wait for nothing are found by a cursor along in_order().
// Thread safety: none; it belongs to the master's loop.

#include "petavox/base/ids.hpp"
#include "petavox/schedule/task_graph.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace petavox {

/// The rank of a worker.
using WorkerId = StrongId<struct WorkerIdTag>;
/// Time since any fixed moment, never going backwards.
using Instant = std::chrono::microseconds;

struct SchedulerOptions {
  int max_attempts = 3;      ///< charges after which a task is quarantined
  int min_ranks = 2;         ///< … once so many different ranks were charged (or all that there are)
  int workers_per_rank = 1;  ///< worker w is of rank w / workers_per_rank: what ails one may ail all
  /// Ranks whose workers will join. Until they have, for at most a lease, a task waits rather than return to
  /// a rank that was charged for it.
  int num_ranks = 1;
  int prefetch = 2;                              ///< tasks in flight for each worker
  int batch = 64;                                ///< short tasks that count as one of these
  Instant brief = std::chrono::milliseconds{1};  ///< a step's tasks are short if they take less on average
  int run_length = 8;                            ///< consecutive tasks along in_order() that one worker takes
  Instant lease = std::chrono::minutes{30};      ///< after which a running task is reported by expired()
  /// After which idle workers may run a task once more, when its last execution has not ended by then: so
  /// many mean durations of its step, within these bounds; the upper one where durations are not known yet.
  /// Below the lower one a result may be on its way (reports and commits are made twenty times a second).
  double straggler_factor = 2;
  Instant least_straggler_age = std::chrono::milliseconds{250};
  Instant straggler_age = std::chrono::seconds{10};
  int copies = 4;  ///< executions of a task at once, at most: of two, both may be slow
};

enum class TaskState {
  pending,      ///< waits for a dependency, or was not looked at yet
  ready,        ///< could start
  running,      ///< handed out
  done,         ///< a result was accepted
  quarantined,  ///< failed too often
  blocked,      ///< depends on a quarantined task
};

/// A task for a worker. `attempt` counts from 1 in each launch and names this execution for good: no two
/// executions of a task in one launch share it.
struct Assignment {
  TaskId task;
  int attempt = 0;
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

enum class Acceptance {
  accepted,   ///< this result counts: record it
  duplicate,  ///< the task was done already: discard it
  stale,      ///< from a worker that was given up, or unknown: discard it
};
enum class Verdict {
  retry,        ///< the task will run again (or another copy of it is still running)
  quarantined,  ///< it will not; its dependents are blocked
  stale,        ///< nobody was waiting for this report
};

struct StepCounts {
  Index total = 0, ready = 0, running = 0, done = 0, quarantined = 0, blocked = 0;
  /// Neither resolved nor handed out nor known to be ready.
  Index pending() const { return total - ready - running - done - quarantined - blocked; }
  friend bool operator==(const StepCounts&, const StepCounts&) = default;
};

struct Quarantined {
  TaskId task;
  int charges = 0;
};

class Scheduler {
 public:
  /// The graph must outlive the scheduler. Expects options >= 1.
  explicit Scheduler(const TaskGraph& graph, const SchedulerOptions& options = {});
  ~Scheduler();
  Scheduler(Scheduler&&) noexcept;
  Scheduler& operator=(Scheduler&&) noexcept;

  // ---- before the first next(): what earlier launches left ----

  /// State done, quarantined, or pending; `charged` has the rank of each failure so far. Tasks not mentioned
  /// are pending. Any order.
  void restore(TaskId task, TaskState state, const std::vector<std::uint32_t>& charged = {});
  /// Tasks that were running when a launch, or a process of this one, died: until each is resolved they run
  /// one at a time with nothing else in flight, so that the next death names its cause. At any time.
  void set_suspects(std::vector<TaskId> suspects);

  // ---- workers ----

  void add_worker(WorkerId worker);
  /// The worker leaves or is given up; what it held goes back. `charged` is a task that is blamed for its
  /// death, nothing if none is. Its later reports are stale. No effect on an unknown worker.
  Verdict lost(WorkerId worker, std::optional<TaskId> charged = std::nullopt);
  void remove_worker(WorkerId worker) { lost(worker); }
  /// Workers with room for more, emptiest first: call next() for each after every round of reports.
  std::vector<WorkerId> hungry() const;
  int num_workers() const;
  /// Whether nobody but the worker's rank works, or is still expected to join (SchedulerOptions::num_ranks).
  bool alone(WorkerId worker) const;

  // ---- hand out ----

  /// Tasks for the worker until it has `prefetch` in flight; they are handed out from now on. Empty if it is
  /// full, unknown, or nothing is ready (see searching()). Leaves the last ready tasks to idle workers.
  std::vector<Assignment> next(WorkerId worker, Instant now);
  /// For an idle worker when next() gave nothing: one more execution of an unfinished task of other workers
  /// whose executions are all older than SchedulerOptions say; of those with the fewest, the one that was
  /// held for longest. The first result wins.
  std::optional<Assignment> straggler(WorkerId worker, Instant now);

  /// A second execution of a task that is done, to be compared with the first: its report will be a
  /// duplicate. Nothing if the worker is unknown or full, or tasks run one at a time now.
  std::optional<Assignment> again(WorkerId worker, TaskId task, Instant now);

  // ---- reports ----

  Acceptance succeeded(WorkerId worker, TaskId task, int attempt);
  /// How long a task of the step took that did its work. What is learnt decides which steps are handed out in
  /// batches (until enough is known, TaskGraph::tiny() does), and when a task is slow.
  void took(int step, std::chrono::nanoseconds duration);
  /// The execution failed by itself. `retryable` false quarantines at once.
  Verdict failed(WorkerId worker, TaskId task, int attempt, bool retryable = true);
  /// The worker gives the task back without blame (an input was bad, it is leaving). Stale or retry.
  Verdict released(WorkerId worker, TaskId task, int attempt);
  /// The accepted result is lost or damaged: the task runs again when its own dependencies are done.
  /// Consumers that have not started go back to pending; those that are done stay done. No effect if it is
  /// not done.
  void invalidated(TaskId task);

  // ---- leases ----

  /// The worker gave a sign of life: its lease starts again.
  void renew(WorkerId worker, Instant now);
  /// Workers whose first task in flight is older than the lease. Reported again until something is done.
  std::vector<std::pair<WorkerId, TaskId>> expired(Instant now);
  /// What the worker runs: the first of the tasks that it holds.
  std::optional<TaskId> running(WorkerId worker) const;

  /// The worker that has been at the first of its tasks for longest, by its last sign of life; nothing if
  /// none has any.
  struct Oldest {
    WorkerId worker;
    TaskId task;
    Instant age{};
  };
  std::optional<Oldest> oldest(Instant now) const;

  // ---- questions ----

  /// Every task is done, quarantined or blocked.
  bool finished() const;
  /// Nothing is handed out.
  bool idle() const;
  /// next() may have given nothing only because it has not looked at every task yet (it looks at a bounded
  /// number in each call, after a resume): call it again soon.
  bool searching() const;
  /// Not finished, nothing in flight and nothing ready though all was looked at: the graph has a cycle, or
  /// dependencies() and dependents() disagree. For a loud end instead of a silent wait.
  bool stalled();
  TaskState state(TaskId task) const;
  StepCounts counts(int step) const;
  StepCounts counts() const;
  /// Workers that still hold an execution of the task, for cancelling what another has finished.
  std::vector<std::pair<WorkerId, int>> holders(TaskId task) const;
  std::vector<Quarantined> quarantined() const;
  /// The quarantined tasks that `task` (blocked) depends on, directly or not, up to `limit`.
  std::vector<TaskId> culprits(TaskId task, std::size_t limit = 8) const;
  /// Heap bytes held.
  std::size_t memory_bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace petavox
