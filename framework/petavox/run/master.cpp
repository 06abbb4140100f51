#include "petavox/run/master.hpp"

#include "petavox/base/log.hpp"
#include "petavox/run/commit_interval.hpp"
#include "petavox/run/finish.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace petavox {
namespace {

constexpr auto look_interval = std::chrono::milliseconds{1000};

std::vector<std::int64_t> task_counts(const Plan& plan) {
  std::vector<std::int64_t> counts;
  for (int i = 0; i < plan.num_steps(); ++i) counts.push_back(plan.num_tasks(i));
  return counts;
}

JournalHeader header_of(const Plan& plan) {
  JournalHeader header;
  header.plan = plan.fingerprint();
  for (const StepPlan& step : plan.steps()) header.steps.push_back(step.fingerprint);
  header.version = PETAVOX_VERSION;
  return header;
}

/// The next generation; also whether the master before it is known to be gone.
JournalWriter acquire(const OutputRoot& root, const Plan& plan, bool& predecessors_gone) {
  const MasterState before = state_of_newest_master(root);
  const std::uint32_t newest = newest_generation(root);
  JournalWriter journal = JournalWriter::acquire(root, header_of(plan));
  predecessors_gone =
      (before == MasterState::none || before == MasterState::dead || before == MasterState::this_process) &&
      journal.generation() == newest + 1;
  return journal;
}

SchedulerOptions scheduler_options(const Plan& plan, int num_ranks) {
  SchedulerOptions options;
  options.max_attempts = plan.config().max_attempts;
  options.workers_per_rank = plan.config().threads;
  options.num_ranks = num_ranks;
  options.lease = Instant{static_cast<std::int64_t>(plan.config().lease_s * 1e6)};
  return options;
}

}  // namespace

Master::Master(const Plan& plan, const OutputRoot& root, const RunOptions& options, int num_ranks)
    : plan_{plan},
      graph_{plan, options.schedule_seed},
      root_{root},
      options_{options},
      journal_{acquire(root, plan, predecessors_gone_)},
      index_{root, journal_.generation(), task_counts(plan)},
      scheduler_{graph_, scheduler_options(plan, num_ranks)},
      totals_(plan.steps().size()),
      start_{steady_now()},
      last_commit_{start_},
      last_look_{start_},
      commit_interval_{shortest_commit_interval},
      live_{root, journal_.generation()},
      usage_{plan.num_steps()},
      own_streams_(plan.steps().size()),
      next_stream_{static_cast<std::uint32_t>(plan.num_steps())} {
  std::iota(own_streams_.begin(), own_streams_.end(), 0U);
  restore();
}

Instant Master::now() const { return std::chrono::duration_cast<Instant>(steady_now() - start_); }

void Master::commit() {
  if (journal_.pending_bytes() == 0) return;
  const auto begin = steady_now();
  if (before_commit_) before_commit_();
  const ProfileScope timed{profile_, ProfileEvent::commit};
  journal_.commit();
  last_commit_ = steady_now();
  if (sparing_) commit_interval_ = sparing_interval(last_commit_ - begin);
}

bool Master::is_there(const std::optional<IndexedResult>& result) const {
  return result && (collected_.empty() || !collected_.contains(stream_of(result->location)));
}

// Nothing if a result that the task reads is not there: it must be made again.
std::optional<Work> Master::work_of(const Assignment& assignment) {
  Work work{assignment.task, assignment.attempt, {}};
  bool all = true;
  plan_.dependencies(assignment.task, [&](TaskId d) {
    const auto result = index_.get(d);
    all = is_there(result);
    if (all) work.inputs.emplace_back(d, *result);
    return all;
  });
  if (!all) return std::nullopt;
  return work;
}

std::vector<Work> Master::work_for(WorkerId worker) {
  std::vector<Work> all;
  bool again = true;
  const auto take = [&](const Assignment& assignment) {
    if (auto work = work_of(assignment)) {
      all.push_back(std::move(*work));
    } else {
      bring_back(worker, assignment);
      again = true;
    }
  };
  while (all.empty() && std::exchange(again, false)) {
    if (const auto check = next_check(worker)) take(*check);
    for (const Assignment& assignment : scheduler_.next(worker, now())) take(assignment);
    if (all.empty() && !again)
      if (const auto copy = scheduler_.straggler(worker, now())) take(*copy);
  }
  return all;
}

// Repair re-runs ancestors: the task waits until what it reads has been made again. That was deleted because
// all its readers were done, or snapshot and journal were both damaged.
void Master::bring_back(WorkerId worker, const Assignment& assignment) {
  scheduler_.released(worker, assignment.task, assignment.attempt);
  std::vector<TaskId> gone;
  plan_.dependencies(assignment.task, [&](TaskId d) {
    if (!is_there(index_.get(d))) gone.push_back(d);
    return true;
  });
  if (!std::exchange(repairing_, true))
    log::warning(fmt::format(
        "{} must run again, but {} of the results that it reads are not kept (nobody was to read them "
        "any more); they, and what they are made of, are made again",
        plan_.describe(assignment.task), gone.size()));
  for (const TaskId task : gone) invalidate(task);
}

void Master::invalidate(TaskId task) {
  journal_.invalidated(task);
  index_.erase(task);
  scheduler_.invalidated(task);
}

void Master::report(WorkerId worker, const TaskOutcome& outcome) {
  if (!mismatch_.empty()) return;  // it may come of what is wrong
  const TaskId task = outcome.task;
  const AttemptRecord attempt{task, static_cast<std::uint32_t>(outcome.attempt),
                              static_cast<std::uint32_t>(worker.value)};
  switch (outcome.kind) {
    case OutcomeKind::done:
    case OutcomeKind::skipped: {
      // From a second execution that was under way when the packs were deleted: its bytes went with them.
      if (!collected_.empty() && collected_.contains(stream_of(outcome.location))) {
        scheduler_.released(worker, task, outcome.attempt);
        return;
      }
      const Acceptance acceptance = scheduler_.succeeded(worker, task, outcome.attempt);
      if (acceptance == Acceptance::duplicate) compare(worker, outcome);
      if (acceptance != Acceptance::accepted) return;
      const bool skipped = outcome.kind == OutcomeKind::skipped;
      // Skipped blocks say nothing about those inside the mask.
      if (!skipped)
        scheduler_.took(static_cast<int>(task.step), std::chrono::nanoseconds{outcome.nanoseconds});
      DoneRecord record;
      record.task = task;
      record.attempt = attempt.attempt;
      record.worker = attempt.worker;
      record.location = outcome.location;
      record.digest = outcome.digest;
      record.nanoseconds = outcome.nanoseconds;
      record.end_ms = static_cast<std::uint32_t>(now().count() / 1000);
      record.flags = skipped ? done_skipped : 0;
      journal_.done(record, skipped ? outcome.text : std::string{});
      index_.put(task, {record.location, record.flags});
      if (!skipped) note_check(worker, outcome);
      if (!skipped) streams_.try_emplace(stream_of(record.location), task.step);
      StepTotals& totals = totals_[static_cast<std::size_t>(task.step)];
      totals.seconds += static_cast<double>(outcome.nanoseconds) * 1e-9;
      totals.bytes_read += outcome.bytes_read;
      totals.bytes_written += outcome.bytes_written;
      totals.skipped += skipped ? 1 : 0;
      ++totals.run;
      usage_.add(task.step, outcome.nanoseconds, outcome.cpu_ns, outcome.bytes_read, outcome.bytes_written,
                 outcome.peak_bytes);
      ++tasks_run_;
      return;
    }
    case OutcomeKind::failed: {
      const Verdict verdict = scheduler_.failed(worker, task, outcome.attempt, outcome.retryable);
      give_up_check(worker, outcome);
      if (verdict == Verdict::stale) return;
      ++failed_attempts_;
      journal_.failed(attempt, outcome.text);
      errors_[task] = outcome.text;
      if (verdict == Verdict::quarantined) journal_.quarantined(task, outcome.text);
      log::warning(fmt::format("{} (attempt {}{})", outcome.text, outcome.attempt,
                               verdict == Verdict::quarantined ? ", quarantined" : ", will be retried"));
      return;
    }
    case OutcomeKind::corrupt: {
      const Verdict verdict = scheduler_.released(worker, task, outcome.attempt);
      // Of a task that is done only a second execution for comparison counts: what it reads was kept for it.
      // Another copy may come too late for what it reads.
      const bool compared = drop_check(worker, outcome).has_value();
      if (verdict == Verdict::stale && !compared) return;
      log::warning(fmt::format("{}; {} runs again", outcome.text, plan_.describe(outcome.culprit)));
      if (scheduler_.state(outcome.culprit) != TaskState::done) return;
      invalidate(outcome.culprit);
      if (++invalidations_[outcome.culprit] > plan_.config().max_attempts && fatal_.empty())
        fatal_ = fmt::format(
            "{}: its result was damaged or missing {} times in a row (the storage does not keep what is "
            "written); check the disk of {}",
            plan_.describe(outcome.culprit), invalidations_[outcome.culprit], root_.path());
      return;
    }
    case OutcomeKind::fatal:
      scheduler_.released(worker, task, outcome.attempt);
      if (fatal_.empty()) fatal_ = outcome.text;
      return;
  }
}

std::vector<WorkerId> Master::tick() {
  const auto time = steady_now();
  std::vector<WorkerId> given_up;
  const bool look = time - last_look_ >= look_interval;
  if (look) {
    last_look_ = time;
    if (journal_.superseded()) superseded_ = true;
    given_up = give_up_expired();
    requeue_lost_checks();
  }
  // After that: a disk that stands still must not cost the leases of those who spoke meanwhile.
  if (time - last_commit_ >= commit_interval_) {
    commit();
    collect();
    snapshot_if_due(false);
  }
  if (look) {
    show_progress(false);
    note_usage(false);
  }
  return given_up;
}

void Master::list_failures(RunReport& report) const {
  constexpr std::size_t max_listed = 1000;
  for (const Quarantined& q : scheduler_.quarantined()) {
    const auto text = errors_.find(q.task);
    report.failures.push_back({plan_.describe(q.task), text == errors_.end() ? "" : text->second, false});
  }
  for (int s = 0; s < plan_.num_steps(); ++s) {
    if (scheduler_.counts(s).blocked == 0) continue;
    for (Index i = 0; i < plan_.num_tasks(s) && report.failures.size() < max_listed; ++i) {
      const TaskId task{s, i};
      if (scheduler_.state(task) != TaskState::blocked) continue;
      const auto culprits = scheduler_.culprits(task, 1);
      report.failures.push_back(
          {plan_.describe(task),
           culprits.empty() ? "depends on a failed task" : "depends on " + plan_.describe(culprits.front()),
           true});
    }
  }
}

// What a report needs beside the tasks themselves. Ever more seldom: a week adds a thousand notes.
void Master::note_usage(bool last) {
  const auto ms = static_cast<std::uint64_t>(now().count() / 1000);
  if (!last && ms - last_usage_ms_ < std::max<std::uint64_t>(1000, ms / 100)) return;
  last_usage_ms_ = ms;
  usage_.elapsed_ms = ms;
  journal_.note(to_note(usage_));
}

RunReport Master::conclude(const InputSet& inputs, bool interrupted) {
  try {
    note_usage(true);
    commit();
  } catch (const Error& error) {
    if (fatal_.empty()) fatal_ = error.what();
  }
  show_progress(true);
  RunReport report;
  report.generation = journal_.generation();
  report.output_dir = root_.path();
  report.tasks_run = tasks_run_;
  report.tasks_resumed = tasks_resumed_;
  report.notes = plan_.notes();
  for (int s = 0; s < plan_.num_steps(); ++s) {
    const StepCounts counts = scheduler_.counts(s);
    const StepTotals& totals = totals_[static_cast<std::size_t>(s)];
    report.steps.push_back({plan_.step(s).name, counts.total, counts.done, totals.skipped, counts.quarantined,
                            counts.blocked, totals.seconds, totals.bytes_read, totals.bytes_written});
  }
  list_failures(report);
  // The last look before results get their final names: only the newest master may give them.
  superseded_ = superseded_ || journal_.superseded();
  std::string trouble;
  if (!fatal_.empty()) {
    report.exit_code = ExitCode::io;
    trouble = fatal_ + "; what was finished is kept: run the same command again to resume";
  } else if (!mismatch_.empty()) {
    report.exit_code = ExitCode::verify_differs;
    trouble = mismatch_;
  } else if (superseded_) {
    report.exit_code = ExitCode::io;
    trouble =
        fmt::format("another petavox has taken over {} (two masters would waste work); wait for it to finish",
                    root_.path());
  } else if (!finished()) {
    try {
      collect();
      snapshot_if_due(true);
    } catch (const Error& error) {
      // Neither is needed to resume.
      log::warning(error.what());
    }
    report.exit_code = ExitCode::interrupted;
    report.notes.push_back(fmt::format("stopped {}; run the same command again to resume",
                                       interrupted ? "on request" : "before the end"));
    log::warning(report.notes.back());
  } else {
    FinishContext context{plan_, inputs, root_, index_, options_, journal_.generation(), predecessors_gone_};
    finish_run(context, report);
    if (report.complete) {
      std::string text;
      for (const VolumeReport& v : report.volumes) text += v.name + " " + to_hex(v.digest) + "\n";
      journal_.complete(text + "digest " + to_hex(report.digest));
    }
    report.exit_code = report.failures.empty() ? ExitCode::done : ExitCode::failed_blocks;
    if (!report.complete && report.failures.empty()) {
      report.exit_code = ExitCode::io;
      trouble = fmt::format(
          "records of finished shards in {} are damaged (the volumes cannot be put together); run the same "
          "command again: it makes them anew",
          root_.path());
    }
  }
  if (!trouble.empty()) {
    log::error(trouble);
    report.notes.push_back(trouble);
  }
  // Where the storage has failed, the records stay pending; their tasks run again.
  if (fatal_.empty()) {
    journal_.commit();
    note_end(report.exit_code);
  }
  report.wall_s = std::chrono::duration<double>(steady_now() - start_).count();
  return report;
}

}  // namespace petavox
