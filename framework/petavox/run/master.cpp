#include "petavox/run/master.hpp"

#include "petavox/base/log.hpp"
#include "petavox/run/finish.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace petavox {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto commit_interval = std::chrono::milliseconds{50};
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

SchedulerOptions scheduler_options(const Plan& plan) {
  SchedulerOptions options;
  options.max_attempts = plan.config().max_attempts;
  options.lease = Instant{static_cast<std::int64_t>(plan.config().lease_s * 1e6)};
  return options;
}

}  // namespace

/// Collects what earlier launches did, with their steps mapped to those of this plan by fingerprint.
class Master::Restorer final : public JournalVisitor {
 public:
  Restorer(const Plan& plan, const OutputRoot& root, ResultIndex& index)
      : plan_{plan}, root_{root}, index_{index}, finished_{task_counts(plan)} {}

  bool generation(std::uint32_t, const JournalHeader& header) override {
    steps_.assign(header.steps.size(), -1);
    for (std::size_t i = 0; i < header.steps.size(); ++i)
      for (std::size_t j = 0; j < plan_.steps().size(); ++j)
        if (header.steps[i] == plan_.steps()[j].fingerprint) steps_[i] = static_cast<std::int64_t>(j);
    return true;
  }
  void done(const DoneRecord& record, std::string_view) override {
    const TaskId task = here(record.task);
    if (!finished_.known(task) || finished_.contains(task)) return;
    if ((record.flags & done_skipped) == 0 && !pack_exists(record.location)) return;
    finished_.insert(task);
    index_.put(task, {record.location, record.flags});
  }
  void lost(const AttemptRecord& record) override {
    if (const TaskId task = here(record.task); finished_.known(task)) charges_[task].push_back(record.worker);
  }
  void invalidated(TaskId task) override {
    task = here(task);
    if (finished_.known(task) && finished_.erase(task)) index_.erase(task);
  }

  const FinishedTasks& finished() const { return finished_; }
  void forget(TaskId task) {
    if (finished_.erase(task)) index_.erase(task);
  }
  const std::map<TaskId, std::vector<std::uint32_t>>& charges() const { return charges_; }

 private:
  TaskId here(TaskId task) const {
    if (task.step < 0 || task.step >= static_cast<std::int64_t>(steps_.size())) return {};
    return {steps_[static_cast<std::size_t>(task.step)], task.index};
  }
  /// A deleted pack takes its results with it. (Damage in a pack is found by checksum when it is read.)
  bool pack_exists(const Location& location) {
    const auto key = std::pair{location.generation, location.writer};
    const auto known = packs_.find(key);
    if (known != packs_.end()) return known->second;
    return packs_[key] = root_.exists(pack_name(location.generation, location.writer));
  }
  const Plan& plan_;
  const OutputRoot& root_;
  ResultIndex& index_;
  FinishedTasks finished_;
  std::vector<std::int64_t> steps_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, bool> packs_;
  std::map<TaskId, std::vector<std::uint32_t>> charges_;
};

namespace {

Index distinct(std::vector<std::uint32_t> workers) {
  std::sort(workers.begin(), workers.end());
  return std::unique(workers.begin(), workers.end()) - workers.begin();
}

}  // namespace

Master::Master(const Plan& plan, const OutputRoot& root, const RunOptions& options)
    : plan_{plan},
      graph_{plan, options.schedule_seed},
      root_{root},
      options_{options},
      journal_{acquire(root, plan, predecessors_gone_)},
      index_{root, journal_.generation(), task_counts(plan)},
      scheduler_{graph_, scheduler_options(plan)},
      totals_(plan.steps().size()),
      start_{Clock::now()},
      last_commit_{start_},
      last_look_{start_},
      last_progress_{start_} {
  restore();
}

Instant Master::now() const { return std::chrono::duration_cast<Instant>(Clock::now() - start_); }

void Master::restore() {
  Restorer restorer{plan_, root_, index_};
  const ReplayReport replay = replay_journal(root_, restorer);
  if (replay.records_lost > 0)
    log::warning(
        fmt::format("{} journal records lie behind a damaged one and were not used (their blocks run again); "
                    "check the disk of {}",
                    replay.records_lost, root_.path()));
  charges_ = restorer.charges();
  recheck_shards(restorer);
  for (std::size_t s = 0; s < plan_.steps().size(); ++s) {
    const auto step = static_cast<std::int64_t>(s);
    if (restorer.finished().count(step) == 0) continue;
    for (Index i = 0; i < plan_.num_tasks(static_cast<int>(s)); ++i)
      if (restorer.finished().contains({step, i})) scheduler_.restore({step, i}, TaskState::done);
  }
  tasks_resumed_ = restorer.finished().total();
  blame_the_dead();
  if (!options_.retry_quarantined)
    for (const auto& [task, workers] : charges_) {
      if (restorer.finished().contains(task)) continue;
      const auto count = static_cast<int>(workers.size());
      const bool poison = count >= plan_.config().max_attempts;
      scheduler_.restore(task, poison ? TaskState::quarantined : TaskState::pending, count,
                         static_cast<int>(distinct(workers)));
      if (poison)
        errors_[task] = fmt::format(
            "{}: killed its worker {} times (the block or the stage crashes); correct the stage, or "
            "try again with --retry-quarantined",
            plan_.describe(task), count);
    }
  journal_.commit();
}

// A shard is a file of its own beside the packs: it may have been deleted or cut short since.
void Master::recheck_shards(Restorer& restorer) {
  const ObjectStore store{plan_, root_, 0};
  for (int s = 0; s < plan_.num_steps(); ++s) {
    const StepPlan& step = plan_.step(s);
    if (step.kind != StepKind::store) continue;
    const std::string directory = shard_directory(plan_.volume(step.reads.front().volume).name);
    for (Index i = 0; i < step.tiling.count(); ++i) {
      const TaskId task{s, i};
      const auto result = index_.get(task);
      if (!result) continue;
      bool good = false;
      try {
        store.with(task, ResultList{{{task, *result}}}, [&](const BundleReader& reader) {
          const StoredShard shard = StoredShard::decode(reader.blob(shard_part));
          const auto file = root_.find_for_reading(directory + "/" + shard.file);
          good = file && file->size_bytes() == shard.bytes;
        });
      } catch (const CorruptObject&) {
        good = false;
      }
      if (good) continue;
      log::warning(
          fmt::format("{}: its file is missing or damaged; it is written again", plan_.describe(task)));
      restorer.forget(task);
      journal_.invalidated(task);
    }
  }
}

// Which task was running when the last launch died? One candidate is charged; several run one at a time.
void Master::blame_the_dead() {
  const RunningReport report = read_running_files(root_, journal_.generation());
  std::vector<std::pair<TaskId, std::uint32_t>> running;
  for (const RunningFile& file : report.files) {
    const auto header = read_journal_header(root_, file.generation);
    if (!header) continue;
    for (const RunningSlot& slot : file.slots) {
      if (slot.state != SlotState::running) continue;
      // The step numbers of that launch, as this plan has them.
      TaskId task{-1, slot.task.index};
      if (slot.task.step >= 0 && slot.task.step < static_cast<std::int64_t>(header->steps.size()))
        for (std::size_t j = 0; j < plan_.steps().size(); ++j)
          if (plan_.steps()[j].fingerprint == header->steps[static_cast<std::size_t>(slot.task.step)])
            task.step = static_cast<std::int64_t>(j);
      if (task.step < 0 || task.index < 0 || task.index >= plan_.num_tasks(static_cast<int>(task.step)))
        continue;
      if (scheduler_.state(task) == TaskState::done) continue;
      running.emplace_back(task, file.rank);
    }
  }
  if (running.size() == 1) {
    const auto [task, rank] = running.front();
    charges_[task].push_back(rank);
    journal_.lost({task, 0, rank});
    journal_.commit();
    log::warning(fmt::format("{} was running when the last launch died (charge {} of {}); it runs again",
                             plan_.describe(task), charges_[task].size(), plan_.config().max_attempts));
  }
  if (!running.empty()) {
    std::vector<TaskId> suspects;
    for (const auto& [task, rank] : running) suspects.push_back(task);
    scheduler_.set_suspects(std::move(suspects));
  }
  remove_running_files(root_, journal_.generation());
}

void Master::commit() {
  if (journal_.pending_bytes() == 0) return;
  if (before_commit_) before_commit_();
  const ProfileScope timed{profile_, ProfileEvent::commit};
  journal_.commit();
  last_commit_ = Clock::now();
}

void Master::lost(WorkerId worker) { scheduler_.lost(worker); }

Work Master::work_of(const Assignment& assignment) {
  Work work{assignment.task, assignment.attempt, {}};
  plan_.dependencies(assignment.task, [&](TaskId d) {
    const auto result = index_.get(d);
    if (!result)
      throw Error{ErrorCode::internal,
                  fmt::format("{} was handed out before {} was done (a bug in petavox); please "
                              "report it",
                              plan_.describe(assignment.task), plan_.describe(d))};
    work.inputs.emplace_back(d, *result);
    return true;
  });
  return work;
}

std::vector<Work> Master::work_for(WorkerId worker) {
  std::vector<Work> all;
  for (const Assignment& assignment : scheduler_.next(worker, now())) all.push_back(work_of(assignment));
  if (all.empty())
    if (const auto copy = scheduler_.straggler(worker, now())) all.push_back(work_of(*copy));
  return all;
}

void Master::report(WorkerId worker, const TaskOutcome& outcome) {
  const TaskId task = outcome.task;
  const AttemptRecord attempt{task, static_cast<std::uint32_t>(outcome.attempt),
                              static_cast<std::uint32_t>(worker.value)};
  switch (outcome.kind) {
    case OutcomeKind::done:
    case OutcomeKind::skipped: {
      if (scheduler_.succeeded(worker, task, outcome.attempt) != Acceptance::accepted) return;
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
      record.flags = skipped ? done_skipped : 0;
      journal_.done(record, skipped ? outcome.text : std::string{});
      index_.put(task, {record.location, record.flags});
      StepTotals& totals = totals_[static_cast<std::size_t>(task.step)];
      totals.seconds += static_cast<double>(outcome.nanoseconds) * 1e-9;
      totals.bytes_read += outcome.bytes_read;
      totals.bytes_written += outcome.bytes_written;
      totals.skipped += skipped ? 1 : 0;
      ++tasks_run_;
      return;
    }
    case OutcomeKind::failed: {
      const Verdict verdict = scheduler_.failed(worker, task, outcome.attempt, outcome.retryable);
      if (verdict == Verdict::stale) return;
      journal_.failed(attempt, outcome.text);
      errors_[task] = outcome.text;
      if (verdict == Verdict::quarantined) journal_.quarantined(task, outcome.text);
      log::warning(fmt::format("{} (attempt {}{})", outcome.text, outcome.attempt,
                               verdict == Verdict::quarantined ? ", quarantined" : ", will be retried"));
      return;
    }
    case OutcomeKind::corrupt: {
      const Verdict verdict = scheduler_.released(worker, task, outcome.attempt);
      if (verdict == Verdict::stale) return;
      log::warning(fmt::format("{}; {} runs again", outcome.text, plan_.describe(outcome.culprit)));
      if (scheduler_.state(outcome.culprit) != TaskState::done) return;
      journal_.invalidated(outcome.culprit);
      index_.erase(outcome.culprit);
      scheduler_.invalidated(outcome.culprit);
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
  const auto time = Clock::now();
  if (time - last_commit_ >= commit_interval) commit();
  std::vector<WorkerId> given_up;
  if (time - last_look_ >= look_interval) {
    last_look_ = time;
    if (journal_.superseded()) superseded_ = true;
    for (const auto& [worker, task] : scheduler_.expired(now())) {
      if (scheduler_.running(worker) != task) continue;  // given up with its rank
      const int rank = rank_of(worker, threads());
      if (threads() > 1 && silent(rank)) {
        for (const WorkerId gone : give_up_rank(rank)) given_up.push_back(gone);
      } else {
        give_up_worker(worker, task);
        given_up.push_back(worker);
      }
    }
    show_progress(false);
  }
  return given_up;
}

void Master::show_progress(bool last) {
  if (!options_.progress) return;
  const StepCounts counts = scheduler_.counts();
  if (counts.total == 0) return;
  const Index resolved = counts.done + counts.quarantined + counts.blocked;
  const int percent = static_cast<int>(100 * resolved / counts.total);
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const Index here = resolved - tasks_resumed_;
  const double rate = elapsed > 0 ? static_cast<double>(here) / elapsed : 0;
  const double eta = rate > 0 ? static_cast<double>(counts.total - resolved) / rate : 0;
  const std::string line =
      fmt::format("{:3d} % | {} of {} tasks | {:.0f}/s | {} running | {} failed | {}", percent, resolved,
                  counts.total, rate, counts.running, counts.quarantined,
                  last ? fmt::format("{:.1f} s", elapsed) : fmt::format("{:.0f} s left", eta));
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) {
    std::fprintf(stderr, "\r\x1b[K%s%s", line.c_str(), last ? "\n" : "");
    std::fflush(stderr);
  } else if (last || percent / 10 != progress_percent_ / 10 || progress_percent_ < 0) {
    log::info(line);
  }
  progress_percent_ = percent;
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

RunReport Master::conclude(const InputSet& inputs, bool interrupted) {
  try {
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
  } else if (superseded_) {
    report.exit_code = ExitCode::io;
    trouble =
        fmt::format("another petavox has taken over {} (two masters would waste work); wait for it to finish",
                    root_.path());
  } else if (!scheduler_.finished()) {
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
  }
  if (!trouble.empty()) {
    log::error(trouble);
    report.notes.push_back(trouble);
  }
  // Where the storage has failed, the records stay pending; their tasks run again.
  if (fatal_.empty()) journal_.commit();
  report.wall_s = std::chrono::duration<double>(Clock::now() - start_).count();
  return report;
}

}  // namespace petavox
