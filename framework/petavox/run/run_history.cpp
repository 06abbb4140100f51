#include "petavox/run/run_history.hpp"

#include "petavox/io/journal.hpp"

#include <cmath>
#include <set>

namespace petavox {
namespace {

/// Packs are counted one by one up to here: a run has one for each worker, step and launch.
constexpr std::size_t max_packs = std::size_t{1} << 22;

class HistoryReader final : public JournalVisitor {
 public:
  HistoryReader(const std::vector<StepShape>& shapes, RunHistory& history)
      : shapes_{shapes}, history_{history} {
    history_.steps.resize(shapes.size());
    history_.busy = TimeBins{RunHistory::max_lanes * std::max<std::size_t>(1, shapes.size())};
    history_.tasks = TimeBins{2};
    for (const StepShape& shape : shapes)
      for (int axis = 0; axis < 3; ++axis)
        history_.cells[axis] =
            std::max(history_.cells[axis], std::min(shape.grid[axis], RunHistory::max_cells));
    history_.cell_s.assign(static_cast<std::size_t>(history_.cells.voxels()), 0.0);
  }

  bool generation(std::uint32_t generation, const JournalHeader& header) override {
    close_launch();
    steps_.assign(header.steps.size(), -1);
    for (std::size_t i = 0; i < header.steps.size(); ++i)
      for (std::size_t j = 0; j < shapes_.size(); ++j)
        if (header.steps[i] == shapes_[j].fingerprint) steps_[i] = static_cast<std::int64_t>(j);
    LaunchHistory launch;
    launch.generation = generation;
    launch.unix_ns = header.unix_time_ns;
    launch.host = header.host;
    launch.version = header.version;
    launch.pid = header.pid;
    launch.begin_s = history_.length_s;
    history_.launches.push_back(std::move(launch));
    usage_before_ = usage_now_;
    return true;
  }

  void done(const DoneRecord& record, std::string_view) override {
    LaunchHistory& launch = history_.launches.back();
    const double end = static_cast<double>(record.end_ms) * 1e-3;
    launch.length_s = std::max(launch.length_s, end);
    ++launch.tasks;
    history_.num_workers = std::max(history_.num_workers, record.worker + 1);
    StepHistory* step = find(record.task);
    if (step == nullptr) return;
    ++step->done;
    step->stored_bytes += record.location.length;
    if ((record.flags & done_skipped) != 0) ++step->skipped;
    if (record.location.length > 0 && packs_.size() < max_packs)
      packs_.emplace(record.location.generation, record.location.writer);
    const double seconds = static_cast<double>(record.nanoseconds) * 1e-9;
    step->seconds += seconds;
    if (record.nanoseconds > 0 && (record.flags & done_skipped) == 0) {
      const double log = std::log(seconds);
      step->log_sum += log;
      step->log_squares += log * log;
      ++step->timed;
    }
    if (seconds > step->slowest_s) {
      step->slowest_s = seconds;
      step->slowest = record.task.index;
    }
    place_in_time(record, launch.begin_s + end, seconds);
    place_in_space(step_of(record.task), record.task.index, seconds);
  }
  void failed(const AttemptRecord& record, std::string_view text) override {
    ++history_.launches.back().failed;
    if (StepHistory* step = find(record.task)) ++step->failed;
    keep("failed", record.task, text);
  }
  void lost(const AttemptRecord& record) override {
    ++history_.launches.back().failed;
    if (StepHistory* step = find(record.task)) ++step->lost;
    keep("lost", record.task, "its worker died or was given up while it ran");
  }
  void quarantined(TaskId task, std::string_view text) override {
    if (StepHistory* step = find(task)) ++step->quarantined;
    keep("quarantined", task, text);
  }
  void invalidated(TaskId task) override {
    if (StepHistory* step = find(task)) ++step->invalidated;
    keep("invalidated", task, "its result was lost or damaged, or is needed again; it ran again");
  }
  void complete(std::string_view) override { history_.complete = true; }
  void note(std::string_view text) override {
    const auto usage = parse_usage(text);
    if (!usage || usage->steps.size() != steps_.size()) return;
    LaunchHistory& launch = history_.launches.back();
    const double at = static_cast<double>(usage->elapsed_ms) * 1e-3;
    launch.length_s = std::max(launch.length_s, at);
    launch.peak_bytes = std::max(launch.peak_bytes, usage->peak_bytes);
    launch_usage_ = *usage;
    usage_now_ = usage_before_;
    usage_now_.at_s = launch.begin_s + at;
    usage_now_.peak_bytes = usage->peak_bytes;
    for (const StepUsage& s : usage->steps) {
      usage_now_.bytes_read += s.bytes_read;
      usage_now_.bytes_written += s.bytes_written;
      usage_now_.cpu_s += static_cast<double>(s.cpu_ns) * 1e-9;
    }
    if (history_.usage.size() < RunHistory::max_points) history_.usage.push_back(usage_now_);
  }

  void finish() {
    close_launch();
    history_.num_packs = static_cast<Index>(packs_.size());
  }

 private:
  std::int64_t step_of(TaskId task) const {
    if (task.step < 0 || task.step >= static_cast<std::int64_t>(steps_.size())) return -1;
    return steps_[static_cast<std::size_t>(task.step)];
  }
  StepHistory* find(TaskId task) {
    const std::int64_t step = step_of(task);
    return step < 0 ? nullptr : &history_.steps[static_cast<std::size_t>(step)];
  }
  void keep(const char* kind, TaskId task, std::string_view text) {
    ++history_.num_failures;
    if (history_.failures.size() < RunHistory::max_failures)
      history_.failures.push_back({{step_of(task), task.index}, kind, std::string{text.substr(0, 2000)}});
  }
  void close_launch() {
    if (history_.launches.empty()) return;
    for (std::size_t i = 0; i < launch_usage_.steps.size(); ++i) {
      if (steps_[i] < 0) continue;
      StepUsage& sum = history_.steps[static_cast<std::size_t>(steps_[i])].usage;
      const StepUsage& one = launch_usage_.steps[i];
      sum.tasks += one.tasks;
      sum.wall_ns += one.wall_ns;
      sum.cpu_ns += one.cpu_ns;
      sum.bytes_read += one.bytes_read;
      sum.bytes_written += one.bytes_written;
    }
    launch_usage_ = {};
    const LaunchHistory& launch = history_.launches.back();
    history_.length_s = launch.begin_s + launch.length_s;
  }

  void place_in_time(const DoneRecord& record, double end, double seconds) {
    const double begin = std::max(history_.launches.back().begin_s, end - seconds);
    const auto step = static_cast<std::size_t>(step_of(record.task));
    while (record.worker / history_.workers_a_lane >= RunHistory::max_lanes) {
      history_.busy.fold_groups(shapes_.size());
      history_.workers_a_lane *= 2;
    }
    const std::size_t lane = record.worker / history_.workers_a_lane;
    history_.busy.add_span(lane * shapes_.size() + step, begin, end, seconds);
    history_.tasks.add(0, end, 1);
    history_.tasks.add(1, end, static_cast<double>(record.location.length));
    if (too_many_) return;
    if (history_.spans.size() == RunHistory::max_spans) {
      too_many_ = true;
      history_.spans.clear();
      return;
    }
    history_.spans.push_back(
        {{static_cast<std::int64_t>(step), record.task.index}, record.worker, begin, end});
  }

  /// A block's seconds go to the cells that it covers.
  void place_in_space(std::int64_t step, Index index, double seconds) {
    const Extent grid = shapes_[static_cast<std::size_t>(step)].grid;
    if (index < 0 || index >= grid.voxels()) return;
    const Coord at{index / (grid.y * grid.x), index / grid.x % grid.y, index % grid.x};
    Coord low, high;
    for (int axis = 0; axis < 3; ++axis) {
      low[axis] = at[axis] * history_.cells[axis] / grid[axis];
      high[axis] = std::max(low[axis] + 1, (at[axis] + 1) * history_.cells[axis] / grid[axis]);
    }
    const double share = seconds / static_cast<double>((high - low).voxels());
    for (Index z = low.z; z < high.z; ++z)
      for (Index y = low.y; y < high.y; ++y)
        for (Index x = low.x; x < high.x; ++x)
          history_.cell_s[static_cast<std::size_t>((z * history_.cells.y + y) * history_.cells.x + x)] +=
              share;
  }

  const std::vector<StepShape>& shapes_;
  RunHistory& history_;
  std::vector<std::int64_t> steps_;  // of the launch at hand, as the caller numbers them
  std::set<std::pair<std::uint32_t, std::uint32_t>> packs_;
  Usage launch_usage_;
  UsagePoint usage_before_, usage_now_;
  bool too_many_ = false;
};

}  // namespace

Index RunHistory::tasks_done() const {
  Index sum = 0;
  for (const StepHistory& step : steps) sum += step.done;
  return sum;
}

RunHistory read_history(const OutputRoot& root, const std::vector<StepShape>& steps) {
  RunHistory history;
  HistoryReader reader{steps, history};
  const ReplayReport report = replay_journal(root, reader);
  reader.finish();
  history.records_lost = report.records_lost;
  return history;
}

}  // namespace petavox
