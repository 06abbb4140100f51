#include "petavox/run/run_status.hpp"

#include "petavox/base/clock.hpp"
#include "petavox/base/units.hpp"
#include "petavox/io/snapshot.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <sys/stat.h>

namespace petavox {
namespace {

constexpr double sign_of_life_s = 60;
constexpr std::size_t max_failures = 20;

double seconds(std::uint64_t unix_ns) { return static_cast<double>(unix_ns) * 1e-9; }

/// When the file was last written to; 0 if that is not known.
double time_of_change(const OutputRoot& root, std::uint32_t generation) {
  const auto file = root.find_for_reading("journal/" + std::to_string(generation));
  struct stat status {};
  if (!file || ::fstat(file->descriptor(), &status) != 0) return 0;
  return static_cast<double>(status.st_mtim.tv_sec) + 1e-9 * static_cast<double>(status.st_mtim.tv_nsec);
}

}  // namespace

const char* name_of(RunState state) noexcept {
  switch (state) {
    case RunState::running:
      return "running";
    case RunState::silent:
      return "silent";
    case RunState::stopped:
      return "stopped";
    case RunState::failed:
      return "failed";
    case RunState::complete:
      return "complete";
  }
  return "?";
}

StepStatus RunStatus::sum() const {
  StepStatus sum;
  sum.name = "all";
  for (const StepStatus& step : steps) {
    sum.total += step.total;
    sum.done += step.done;
    sum.skipped += step.skipped;
    sum.running += step.running;
    sum.blocked += step.blocked;
    sum.failed += step.failed;
    sum.lost += step.lost;
    sum.quarantined += step.quarantined;
    sum.seconds += step.seconds;
  }
  return sum;
}

/// Takes up the records of all launches, with their steps as the newest plan numbers them.
class StatusReader::Visitor final : public JournalVisitor {
 public:
  explicit Visitor(StatusReader& reader) : reader_{reader} {}

  bool generation(std::uint32_t generation, const JournalHeader& header) override {
    generation_ = generation;
    steps_ = match_steps(header.steps, reader_.record_.fingerprints());
    return true;
  }
  void done(const DoneRecord& record, std::string_view) override {
    const TaskId task = here(record.task);
    if (!reader_.finished_.known(task) || !reader_.finished_.insert(task)) return;
    Counts& counts = of(task);
    counts.skipped += (record.flags & done_skipped) != 0 ? 1 : 0;
    counts.seconds += seconds(record.nanoseconds);
    ++reader_.run_in_[generation_];
    if (!reader_.set_aside_.empty()) reader_.set_aside_.erase(task);
  }
  void failed(const AttemptRecord& record, std::string_view text) override {
    if (const TaskId task = here(record.task); reader_.finished_.known(task)) ++of(task).failed;
    remember(text);
  }
  void lost(const AttemptRecord& record) override {
    const TaskId task = here(record.task);
    if (!reader_.finished_.known(task)) return;
    ++of(task).lost;
    ++reader_.charges_[task];
  }
  void quarantined(TaskId task, std::string_view text) override {
    task = here(task);
    if (reader_.finished_.known(task)) reader_.set_aside_[task] = generation_;
    remember(text);
  }
  void invalidated(TaskId task) override {
    task = here(task);
    if (reader_.finished_.known(task)) reader_.finished_.erase(task);
  }
  void complete(std::string_view) override { reader_.ended_[generation_] = ExitCode::done; }
  void note(std::string_view text) override {
    if (const auto code = parse_end_note(text)) reader_.ended_[generation_] = *code;
  }

 private:
  TaskId here(TaskId task) const {
    if (task.step < 0 || task.step >= static_cast<std::int64_t>(steps_.size())) return {-1, 0};
    return {steps_[static_cast<std::size_t>(task.step)], task.index};
  }
  Counts& of(TaskId task) { return reader_.counts_[static_cast<std::size_t>(task.step)]; }
  void remember(std::string_view text) {
    if (!reader_.failures_.empty() && reader_.failures_.back() == text) return;
    if (reader_.failures_.size() == max_failures) reader_.failures_.erase(reader_.failures_.begin());
    reader_.failures_.emplace_back(text);
  }

  StatusReader& reader_;
  std::vector<std::int64_t> steps_;
  std::uint32_t generation_ = 0;
};

void StatusReader::begin(RunRecord record) {
  record_ = std::move(record);
  finished_ = FinishedTasks{record_.task_counts()};
  counts_.assign(record_.steps.size(), {});
  ends_.clear();
  charges_.clear();
  set_aside_.clear();
  failures_.clear();
  ended_.clear();
  run_in_.clear();
  if (const auto snapshot = Snapshot::open_newest(root_, record_.fingerprints(), record_.task_counts())) {
    finished_ = snapshot->take_finished();
    ends_ = snapshot->content().covered;
    for (const AttemptRecord& lost : snapshot->content().lost) {
      if (!finished_.known(lost.task)) continue;
      ++charges_[lost.task];
      ++counts_[static_cast<std::size_t>(lost.task.step)].lost;
    }
  }
}

RunState StatusReader::judge(const std::optional<JournalHeader>& header, const std::optional<Progress>& live,
                             RunStatus& status) const {
  if (!header) {
    status.why = "no launch has begun to work";
    return RunState::stopped;
  }
  if (const auto ended = ended_.find(status.generation); ended != ended_.end()) {
    status.ended = ended->second;
    switch (ended->second) {
      case ExitCode::done:
        status.why = "everything is done";
        return RunState::complete;
      case ExitCode::interrupted:
        status.why = "it was stopped; the same command resumes it";
        return RunState::stopped;
      case ExitCode::failed_blocks:
        status.why = "some blocks failed; the rest is done";
        return RunState::failed;
      default:
        status.why = fmt::format("the last launch ended with exit code {}; the same command resumes it",
                                 static_cast<int>(ended->second));
        return RunState::failed;
    }
  }
  switch (state_of({header->host, header->host_id, header->pid, header->start_ticks})) {
    case ProcessState::this_process:
    case ProcessState::alive:
      status.why = fmt::format("its master works here, as process {}", header->pid);
      return RunState::running;
    case ProcessState::dead:
      status.why = "its master died; the same command resumes it";
      return RunState::stopped;
    case ProcessState::unknown:
      break;
  }
  const double heard =
      std::max({status.last_record_unix_s, live ? seconds(live->unix_time_ns) : 0.0, status.started_unix_s});
  const double age = status.read_unix_s - heard;
  if (age < sign_of_life_s) {
    status.why = fmt::format("its master works on {}", header->host);
    return RunState::running;
  }
  status.why =
      fmt::format("its master was on {}, which cannot be seen from here, and has said nothing for {}",
                  header->host, duration_text(age));
  return RunState::silent;
}

RunStatus StatusReader::read() {
  if (RunRecord record = read_run_record(root_); !(record.plan == record_.plan) || counts_.empty())
    begin(std::move(record));
  Visitor visitor{*this};
  const ReplayReport replay = replay_journal(root_, visitor, ends_);
  ends_ = replay.ends;

  RunStatus status;
  status.read_unix_s = seconds(unix_time_ns());
  status.records_lost = replay.records_lost;
  status.launches = replay.generations;
  status.supervised = read_launches(root_);
  status.failures = failures_;
  for (const JournalPosition& end : ends_)
    status.generation = std::max(status.generation, static_cast<std::uint32_t>(end.generation));
  const auto header = read_journal_header(root_, status.generation);
  if (header) {
    status.host = header->host;
    status.pid = header->pid;
    status.started_unix_s = seconds(header->unix_time_ns);
    status.last_record_unix_s = time_of_change(root_, status.generation);
  }
  const auto live = read_live_file(root_, status.generation);
  status.state = judge(header, live, status);

  for (std::size_t s = 0; s < record_.steps.size(); ++s) {
    StepStatus step{record_.steps[s].name, record_.steps[s].kind, record_.steps[s].tasks};
    step.done = finished_.count(static_cast<std::int64_t>(s));
    step.skipped = counts_[s].skipped;
    step.failed = counts_[s].failed;
    step.lost = counts_[s].lost;
    step.seconds = counts_[s].seconds;
    status.steps.push_back(step);
  }
  // What an earlier launch set aside because it threw, the next one tries again; what killed its workers
  // stays.
  std::map<TaskId, std::uint32_t> aside = set_aside_;
  for (const auto& [task, count] : charges_)
    if (count >= record_.max_attempts && !finished_.contains(task)) aside[task] = status.generation;
  for (const auto& [task, generation] : aside)
    if (generation == status.generation) ++status.steps[static_cast<std::size_t>(task.step)].quarantined;

  const bool works = status.state == RunState::running || status.state == RunState::silent;
  if (live && live->steps.size() == status.steps.size()) {
    for (std::size_t s = 0; s < live->steps.size(); ++s) {
      status.steps[s].blocked = live->steps[s].blocked;
      status.steps[s].quarantined = live->steps[s].quarantined;
      if (works) status.steps[s].running = live->steps[s].running;
    }
    status.tasks_per_s = live->tasks_per_s;
    status.bytes_per_s = live->bytes_per_s;
    if (works) {
      status.left_s = live->left_s;
      status.slowest = live->slowest;
      status.slowest_s = live->slowest_s;
    }
  } else if (const auto run = run_in_.find(status.generation); run != run_in_.end()) {
    const double until = works ? status.read_unix_s : status.last_record_unix_s;
    if (until > status.started_unix_s)
      status.tasks_per_s = static_cast<double>(run->second) / (until - status.started_unix_s);
    const StepStatus sum = status.sum();
    if (works && status.tasks_per_s > 0)
      status.left_s = static_cast<double>(sum.total - sum.done - sum.quarantined) / status.tasks_per_s;
  }
  return status;
}

}  // namespace petavox
