#pragma once
// The master of a run: journal, scheduler and results, without any way to talk to workers. Executors feed it
// with events and carry its work to workers. Not synchronised: one thread owns it.

#include "petavox/base/clock.hpp"
#include "petavox/io/journal.hpp"
#include "petavox/io/result_index.hpp"
#include "petavox/run/progress.hpp"
#include "petavox/run/run.hpp"
#include "petavox/run/shuffled_graph.hpp"
#include "petavox/run/task_runner.hpp"
#include "petavox/run/usage.hpp"
#include "petavox/schedule/scheduler.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace petavox {

class Master {
 public:
  /// Takes a generation of the run directory and restores what earlier launches finished. Workers of
  /// `num_ranks` ranks will join. Throws Error{config} if the directory belongs to another config, Error{io}.
  Master(const Plan& plan, const OutputRoot& root, const RunOptions& options, int num_ranks = 1);

  std::uint32_t generation() const { return journal_.generation(); }

  void add_worker(WorkerId worker) { scheduler_.add_worker(worker); }
  /// What it was given goes to others; nothing is blamed.
  void remove_worker(WorkerId worker) { scheduler_.remove_worker(worker); }
  /// Work for the worker, if there is any now.
  std::vector<Work> work_for(WorkerId worker);
  std::vector<WorkerId> hungry() const { return scheduler_.hungry(); }
  /// Call alive() too, once for all reports that came together.
  void report(WorkerId worker, const TaskOutcome& outcome);
  /// Of each rank.
  int threads() const { return plan_.config().threads; }
  /// A message came from the rank. True if it is the first, or the first since the rank was given up as
  /// silent.
  bool heard(int rank) { return heard_.insert_or_assign(rank, now()).second; }
  /// The worker gave a sign of life: its lease starts again.
  void alive(WorkerId worker) { scheduler_.renew(worker, now()); }

  /// Streams of results that workers must close now. Call it after every tick(), and pass them on before the
  /// next work.
  std::vector<Release> take_releases() { return std::exchange(releases_, {}); }

  /// Regular work: commits the journal, deletes what nobody will read again, looks for expired leases and for
  /// a newer master. Returns workers whose lease has expired (they were given up).
  std::vector<WorkerId> tick();
  /// Commits what is pending at once.
  void commit();
  /// Called before records are committed: makes durable what this process itself has appended to packs.
  void before_commit(std::function<void()> sync) { before_commit_ = std::move(sync); }
  /// For an executor whose work stands still while records are committed: commits then come so seldom that
  /// they take a thirtieth of the time at most, but once a second.
  void commit_sparingly() { sparing_ = true; }

  /// Called now and then in what may take minutes, such as a snapshot: so that workers hear from this rank.
  void while_busy(std::function<void()> sign_of_life) { sign_of_life_ = std::move(sign_of_life); }

  /// From now on commits are noted there; nullptr: nowhere.
  void profile_to(ProfileLog* log) { profile_ = log; }

  bool finished() const { return scheduler_.finished() && checks_.empty() && checking_.empty(); }
  Index tasks_run() const { return tasks_run_; }
  Index tasks_resumed() const { return tasks_resumed_; }
  /// Work may turn up at the next call of work_for() though nothing is running.
  bool searching() const { return scheduler_.searching(); }
  /// Why the run must stop before it is finished; empty if it need not.
  const std::string& fatal() const { return fatal_; }
  /// Another master has taken over.
  bool superseded() const { return superseded_; }
  /// No more work may be handed out: the run was asked to stop, failed, or belongs to another master now.
  bool must_stop() const { return stop_requested() || !fatal_.empty() || superseded_ || !mismatch_.empty(); }

  /// Writes virtual datasets, summaries, manifest and the record of completion, if everything is done; else
  /// lists what failed. `interrupted`: the run was asked to stop.
  RunReport conclude(const InputSet& inputs, bool interrupted);

 private:
  struct StepTotals {
    double seconds = 0;
    std::uint64_t bytes_read = 0, bytes_written = 0;
    Index run = 0, skipped = 0;
  };
  /// A rank, of a launch, died while it ran the task.
  struct Charge {
    std::uint32_t generation = 0, rank = 0;
    friend bool operator==(const Charge&, const Charge&) = default;
  };
  void charge(TaskId task, const Charge& charge);
  class Restorer;
  void restore();
  void refill_index(const std::string& damaged);
  void show_life() const {
    if (sign_of_life_) sign_of_life_();
  }
  void snapshot_if_due(bool leaving);
  void recheck_shards(Restorer& restorer);
  void blame_the_dead();
  Instant now() const;
  std::optional<Work> work_of(const Assignment& assignment);
  void bring_back(WorkerId worker, const Assignment& assignment);
  bool is_there(const std::optional<IndexedResult>& result) const;
  void invalidate(TaskId task);

  // master_checks.cpp
  /// A result that is to be made a second time.
  struct Check {
    int rank = 0;  ///< that made the first
    Location location;
    DigestSum digest;
    int attempts = 0;
    WorkerId worker{};  ///< that makes the second
    int attempt = 0;
  };
  bool sampled(TaskId task) const;
  void note_check(WorkerId worker, const TaskOutcome& outcome);
  std::optional<Assignment> next_check(WorkerId worker);
  std::optional<Check> drop_check(WorkerId worker, const TaskOutcome& outcome);
  void compare(WorkerId worker, const TaskOutcome& second);
  void give_up_check(WorkerId worker, const TaskOutcome& outcome);
  void compare_again(TaskId task, const Check& check);
  void requeue_lost_checks();
  void forget_descendants(TaskId task);

  // master_collect.cpp
  bool collects() const;
  void collect();
  bool unread(int step) const;
  void remove_collected_packs();
  void store_finals(RunReport& report, const InputSet& inputs);
  void list_failures(RunReport& report) const;
  void give_up_worker(WorkerId worker, TaskId task);
  std::optional<TaskId> at_hand(WorkerId worker) const;
  std::vector<WorkerId> give_up_rank(int rank);
  std::vector<WorkerId> give_up_expired();
  bool silent(int rank) const;

  // master_progress.cpp
  void show_progress(bool last);
  void note_end(ExitCode code);
  void note_usage(bool last);

  const Plan& plan_;
  ShuffledGraph graph_;
  OutputRoot root_;
  RunOptions options_;
  std::function<void()> before_commit_, sign_of_life_;
  ProfileLog* profile_ = nullptr;
  /// No earlier master can still be at work: what it left unfinished may be cleared away. Set by what makes
  /// journal_, so it stands before it.
  bool predecessors_gone_ = false;
  JournalWriter journal_;
  ResultIndex index_;
  Scheduler scheduler_;
  std::vector<StepTotals> totals_;
  std::map<int, Instant> heard_;                   // rank -> when it last spoke
  std::map<TaskId, int> invalidations_;            // in this launch
  std::map<TaskId, std::string> errors_;           // last error of each task that failed
  std::map<TaskId, std::vector<Charge>> charges_;  // in all launches
  TimePoint start_, last_commit_, last_look_;
  bool sparing_ = false;
  TimePoint::duration commit_interval_;
  ProgressMeter meter_;
  LiveFile live_;
  std::vector<double> weights_;           // of a task of each step, for the meter
  std::vector<JournalPosition> covered_;  // of the journals of earlier launches, by restore()
  Index done_at_snapshot_ = 0;
  Usage usage_;  // of this launch so far
  std::uint64_t last_usage_ms_ = 0;
  std::map<Stream, std::int64_t> streams_;  // that hold results, and the step whose
  std::set<Stream> collected_;              // whose packs were deleted, or may be at any time
  std::vector<std::uint32_t> own_streams_;  // of each step: where this launch puts results
  std::uint32_t next_stream_ = 0;
  std::vector<Release> releases_;
  bool repairing_ = false;
  Index tasks_run_ = 0, tasks_resumed_ = 0, failed_attempts_ = 0;
  std::map<TaskId, Check> checks_;    // results that wait for their second execution
  std::map<TaskId, Check> checking_;  // … that have it
  std::string mismatch_;
  std::string fatal_;
  bool superseded_ = false;
};

/// Makes the run directory ready, or finds that it is complete for this plan: then returns the report of the
/// finished run. Throws Error{config} if it belongs to another config and `options.reuse` is not set, naming
/// the keys.
std::optional<RunReport> prepare_run_directory(const Plan& plan, const OutputRoot& root,
                                               const RunOptions& options);

}  // namespace petavox
