#pragma once
// The state of the scheduler, shared by its sources. See scheduler.hpp for what it promises.
//
// A task has one of four codes. `live` is ready (then it is in its step's `ready` or `retry`) or running
// (then it is in some worker's `held`). A task becomes live in one of two ways, and in no other:
//  - the last of its dependencies was accepted (wake), or
//  - the cursor of its step came by when they were all done (look).
// The cursor passes each task once. Where it passes before the dependencies are done, the last of them will
// wake the task later; hence together they miss nothing, and ready tasks need never be listed beforehand.

#include "petavox/schedule/scheduler.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory_resource>
#include <set>
#include <unordered_map>

namespace petavox {

enum class TaskCode : std::uint8_t { pending, live, done, dead };

/// Two bits a task.
class PackedCodes {
 public:
  explicit PackedCodes(Index count) : words_(static_cast<std::size_t>((count + 31) / 32)) {}
  TaskCode get(Index i) const { return static_cast<TaskCode>(words_[word(i)] >> shift(i) & 3U); }
  void set(Index i, TaskCode code) {
    auto& w = words_[word(i)];
    w = (w & ~(std::uint64_t{3} << shift(i))) | static_cast<std::uint64_t>(code) << shift(i);
  }
  std::size_t memory_bytes() const { return words_.capacity() * sizeof(words_[0]); }

 private:
  static std::size_t word(Index i) { return static_cast<std::size_t>(i) / 32; }
  static unsigned shift(Index i) { return 2 * (static_cast<unsigned>(i) % 32); }
  std::vector<std::uint64_t> words_;
};

/// Positions along in_order() of a step, still to be looked at by one worker.
struct Run {
  int step = -1;
  Index begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

/// One execution of a task by a worker.
struct Execution {
  TaskId task;
  int attempt = 0;
  Instant since{};
  bool brief = false;
};

struct Worker {
  static constexpr std::size_t not_listed = ~std::size_t{0};
  std::vector<Execution> held;  // in the order handed out, which is the order in which a worker runs them
  int num_brief = 0;
  Run run;
  std::uint64_t place = 0;             // locality of the last task handed out
  std::size_t listed_at = not_listed;  // its position in hungry_
  Instant first_since{};               // when the first of `held` began to count for the lease
  bool first_moved = true;             // … it is another one since; it begins when the time is next known
};

/// What is remembered of a task out of the ordinary: failed, lost, duplicated, invalidated or restored so.
struct History {
  int next_attempt = 1;
  int running = 0;   // executions in flight
  Instant newest{};  // when the last of them was handed out
  int charges = 0;
  std::vector<std::int64_t> blamed;  // ranks that were charged, each once
  bool blames(std::int64_t rank) const {
    return std::find(blamed.begin(), blamed.end(), rank) != blamed.end();
  }
};

using ReadyKey = std::pair<std::uint64_t, Index>;  // locality, index

struct Step {
  Step(int number_, Index count, std::pmr::memory_resource* nodes)
      : number{number_}, total{count}, codes{count}, ready{nodes}, retry{nodes} {}
  int number;
  Index total;
  PackedCodes codes;
  std::pmr::set<ReadyKey> ready, retry;  // retry: those that some worker has failed on
  Index cursor = 0;                      // next position along in_order() to look at
  bool again = false;                    // more became ready than `ready` should hold: pass once more
  bool by_cursor = true;                 // its cursor finds tasks, or once has
  std::vector<Run> left_runs;            // of workers that went away
  Index running = 0, done = 0, quarantined = 0, blocked = 0;
  double mean_ns = 0;  // of what its tasks took, the last ones counting most
  int num_timed = 0;   // … of so many, up to where they are enough
  bool unlooked() const { return cursor < total || again; }
  Index unresolved() const { return total - running - done - quarantined - blocked; }
};

class Scheduler::Impl {
 public:
  Impl(const TaskGraph& graph, const SchedulerOptions& options);

  // scheduler.cpp
  void restore(TaskId task, TaskState state, const std::vector<std::uint32_t>& charged);
  void set_suspects(std::vector<TaskId> suspects);
  void start();
  bool finished() const { return resolved_ == total_; }
  bool idle() const { return executions_ == 0; }
  TaskState state(TaskId task) const;
  StepCounts counts(int step) const;
  int num_steps() const { return static_cast<int>(steps_.size()); }
  std::vector<std::pair<WorkerId, int>> holders(TaskId task) const;
  std::size_t memory_bytes() const;

  // scheduler_dispatch.cpp
  void add_worker(WorkerId id);
  std::vector<WorkerId> hungry() const;
  int num_workers() const { return static_cast<int>(workers_.size()); }
  bool alone(WorkerId id) const {
    return all_joined_ && (ranks_.empty() || (ranks_.size() == 1 && ranks_.contains(rank_of(id))));
  }
  std::vector<Assignment> next(WorkerId id, Instant now);
  std::optional<Assignment> straggler(WorkerId id, Instant now);
  std::optional<Assignment> again(WorkerId id, TaskId task, Instant now);
  void renew(WorkerId id, Instant now);
  std::vector<std::pair<WorkerId, TaskId>> expired(Instant now);
  std::optional<TaskId> running(WorkerId id) const;
  std::optional<Scheduler::Oldest> oldest(Instant now) const;
  bool searching() const;
  bool stalled();

  // scheduler_reports.cpp
  Acceptance succeeded(WorkerId id, TaskId task, int attempt);
  void took(int step, std::chrono::nanoseconds duration);
  Verdict failed(WorkerId id, TaskId task, int attempt, bool retryable);
  Verdict released(WorkerId id, TaskId task, int attempt);
  Verdict lost(WorkerId id, std::optional<TaskId> charged);
  void invalidated(TaskId task);

  // scheduler_blame.cpp
  std::vector<Quarantined> quarantined() const;
  std::vector<TaskId> culprits(TaskId task, std::size_t limit) const;

 private:
  Step& step_of(TaskId task) { return steps_[static_cast<std::size_t>(task.step)]; }
  const Step& step_of(TaskId task) const { return steps_[static_cast<std::size_t>(task.step)]; }
  TaskCode code(TaskId task) const { return step_of(task).codes.get(task.index); }
  void set_code(TaskId task, TaskCode c) { step_of(task).codes.set(task.index, c); }
  void check_task(TaskId task) const;
  bool dependencies_done(TaskId task) const;
  bool queued(TaskId task) const;

  // dispatch
  std::optional<TaskId> take(WorkerId id, Worker& worker, int looks);
  std::optional<TaskId> take_in(Step& step, WorkerId id, Worker& worker, int looks);
  std::optional<TaskId> take_retry(Step& step, WorkerId id);
  std::optional<TaskId> take_nearest(Step& step, const Worker& worker);
  std::optional<TaskId> take_along(Step& step, Worker& worker, int looks);
  std::optional<TaskId> take_from_run(Run& run);
  std::optional<TaskId> look(Step& step, int& looks);
  std::optional<TaskId> take_from_others(WorkerId id, Worker& worker);
  Run* find_run(WorkerId not_of);
  std::optional<TaskId> take_suspect(WorkerId id);
  Assignment issue(Worker& worker, TaskId task, Instant now);
  bool may_duplicate(TaskId task) const;
  Instant newest(const Execution& execution) const;
  const Execution* find_execution(WorkerId id, const Assignment& assignment) const;
  int executions_of(TaskId task) const;
  Instant slow_after(const Step& step) const;
  void find_stragglers(Instant now);
  int room(const Worker& worker) const;
  void list(WorkerId id, Worker& worker);
  void unlist(Worker& worker);
  bool leave_to_idle(const Worker& worker) const;
  int brief_quota(const Step& step) const;
  bool brief(TaskId task) const;
  std::int64_t rank_of(WorkerId id) const { return id.value / options_.workers_per_rank; }
  bool leave_to_others(const History& history, WorkerId id) const;

  // reports
  std::optional<Execution> take_back(WorkerId id, TaskId task, int attempt);
  void drop(WorkerId id, Worker& worker, std::size_t position);
  void wake(TaskId task);
  void enqueue(TaskId task);
  void requeue(TaskId task);
  void wake_dependents(TaskId task);
  History& history_of(TaskId task);
  void resolve_suspect(TaskId task);

  // blame
  Verdict charge(TaskId task, WorkerId id, bool retryable);
  bool exhausted(const History& history) const;
  void quarantine(TaskId task);
  void mark_blocked(TaskId task);
  void block(TaskId task);
  void block_dependents(TaskId task);
  bool block_remaining();

  const TaskGraph& graph_;
  SchedulerOptions options_;
  std::pmr::unsynchronized_pool_resource nodes_;  // of the sets in steps_: they come and go with every task
  std::vector<Step> steps_;
  std::map<WorkerId, Worker> workers_;
  std::vector<std::pair<WorkerId, Worker*>>
      hungry_;  // workers with room, in any order; nodes of workers_ stay
  // Where idle workers look for runs to share: all before this worker, in a circle, are shorter than
  // steal_length_. 0: nobody has one.
  WorkerId steal_from_{};
  Index steal_length_ = 0;
  // Executions old enough for one more of their task, as they were when last looked for. Looking costs a
  // walk over all that is in flight: not before quiet_until_, when the next one may be old enough.
  struct Straggler {
    int running = 1;  // executions of its task
    Instant since{};
    WorkerId worker;
    Assignment assignment;
  };
  std::vector<Straggler> stragglers_;  // the next to be run once more at the back
  Instant quiet_until_{};
  std::map<std::int64_t, int> ranks_;   // and how many of their workers there are
  std::set<std::int64_t> joined_;       // ranks that have come, until all have
  bool all_joined_ = false;             // … or were waited for long enough
  std::optional<Instant> first_asked_;  // when a worker first asked for work
  std::unordered_map<TaskId, History> histories_;
  std::map<TaskId, int> quarantined_;  // and the charges
  std::set<TaskId> suspects_;
  std::vector<TaskId> to_block_;
  bool started_ = false;
  bool restored_ = false;  // anything done when it started
  Index total_ = 0, resolved_ = 0;
  Index num_ready_ = 0;   // in the sets of all steps
  Index executions_ = 0;  // in flight
  int num_idle_ = 0;      // workers that hold nothing
};

}  // namespace petavox
