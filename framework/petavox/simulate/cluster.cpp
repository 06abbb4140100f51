#include "petavox/simulate/cluster.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/simulate/block_chain.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <queue>
#include <set>

namespace petavox::simulate {
namespace {

using Nanoseconds = std::int64_t;

Nanoseconds nanoseconds(double seconds) { return std::llround(seconds * 1e9); }
double seconds(Nanoseconds ns) { return static_cast<double>(ns) * 1e-9; }

/// In (0, 1].
double uniform(std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 1) * 0x1p-53; }

/// As run/worker.cpp: results wait no longer than this while there is more to do.
constexpr Nanoseconds report_wait = 50'000'000;
/// How often idle workers are looked at for further executions (run/dispatcher.cpp does so in every round): a
/// part of the time after which the shortest task counts as slow.
constexpr Nanoseconds look_interval = 100'000'000;

enum class Kind : std::uint8_t { at_master, at_worker, finished, round, look, death, restart };

struct Event {
  Nanoseconds time;
  std::uint64_t number;  ///< of two at one time the earlier one made
  Kind kind;
  std::uint32_t launch;  ///< events of a launch that died mean nothing
  std::uint32_t worker;
  bool operator>(const Event& other) const {
    return time != other.time ? time > other.time : number > other.number;
  }
};

struct Done {
  Assignment assignment;
  Nanoseconds took;
};

struct SimulatedWorker {
  std::deque<Assignment> queue;
  std::deque<std::vector<Assignment>> to_worker;  // messages under way
  std::deque<std::vector<Done>> to_master;
  std::vector<Done> results;  // not yet reported
  Nanoseconds oldest = 0, began = 0, takes = 0, last_result = 0;
  bool busy = false;
};

class Simulation {
 public:
  Simulation(const TaskGraph& graph, const std::vector<TaskCost>& costs, const Cluster& cluster,
             const Options& options)
      : graph_{graph},
        costs_{costs},
        cluster_{cluster},
        options_{options},
        scheduler_{graph, options.scheduler},
        workers_(static_cast<std::size_t>(cluster.workers)) {}

  Result run() {
    begin_launch(0);
    schedule_death();
    while (!scheduler_.finished() && !events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      if (event.kind == Kind::death)
        die();
      else if (event.kind == Kind::restart)
        begin_launch(now_);
      else if (event.launch == launch_)
        handle(event);
    }
    return conclude();
  }

 private:
  void push(Nanoseconds time, Kind kind, std::uint32_t worker = 0) {
    events_.push({time, next_number_++, kind, launch_, worker});
  }

  void handle(const Event& event) {
    SimulatedWorker& worker = workers_[event.worker];
    switch (event.kind) {
      case Kind::at_master:
        arrived_.push_back(event.worker);
        if (!round_due_) {
          round_due_ = true;
          push(std::max(now_, master_free_), Kind::round);
        }
        return;
      case Kind::at_worker:
        for (const Assignment& assignment : worker.to_worker.front()) worker.queue.push_back(assignment);
        worker.to_worker.pop_front();
        if (!worker.busy) start_next(event.worker);
        return;
      case Kind::finished:
        finish_task(event.worker);
        return;
      case Kind::round:
        round_due_ = false;
        master_round();
        return;
      case Kind::look:
        look_due_ = false;
        if (!round_due_ && !scheduler_.stalled()) {
          round_due_ = true;
          push(std::max(now_, master_free_), Kind::round);
        }
        return;
      case Kind::death:
      case Kind::restart:
        return;
    }
  }

  // ---- workers ----

  void start_next(std::uint32_t id) {
    SimulatedWorker& worker = workers_[id];
    const Assignment& task = worker.queue.front();
    const TaskCost& cost = costs_[static_cast<std::size_t>(task.task.step)];
    worker.takes = nanoseconds(draw_seconds(cost, cluster_, options_.seed, task.task, task.attempt));
    Nanoseconds data = now_;
    if (cluster_.file_system_bytes_s > 0 && cost.bytes > 0) {
      // The file system serves one after the other, all at its full speed.
      file_system_free_ =
          std::max(file_system_free_, now_) + nanoseconds(cost.bytes / cluster_.file_system_bytes_s);
      data = file_system_free_;
    }
    worker.busy = true;
    worker.began = now_;
    push(data + worker.takes + nanoseconds(cluster_.worker_task_s), Kind::finished, id);
    ++result_.executions;
  }

  void finish_task(std::uint32_t id) {
    SimulatedWorker& worker = workers_[id];
    if (worker.results.empty()) worker.oldest = worker.began;
    worker.results.push_back({worker.queue.front(), worker.takes});
    worker.queue.pop_front();
    worker.busy = false;
    worker.last_result = now_;
    if (worker.queue.empty() || now_ - worker.oldest >= report_wait) {
      const Nanoseconds durable = nanoseconds(cluster_.worker_report_s);
      worker.to_master.push_back(std::move(worker.results));
      worker.results.clear();
      push(now_ + durable + nanoseconds(cluster_.latency_s), Kind::at_master, id);
    }
    if (!worker.queue.empty()) start_next(id);
  }

  // ---- master ----

  void spend(double cpu_s) {
    const Nanoseconds cost = nanoseconds(cpu_s);
    clock_ += cost;
    master_busy_ += cost;
  }

  /// All messages that are there, then work for all that have room: one turn of Dispatcher::run().
  void master_round() {
    clock_ = now_;
    if (clock_ - last_commit_ >= nanoseconds(cluster_.commit_interval_s)) {
      spend(cluster_.commit_s);
      last_commit_ = clock_;
    }
    spend(cluster_.master_scan_s * static_cast<double>(idle_.size()));
    spoken_.clear();
    std::swap(spoken_, arrived_);
    for (const std::uint32_t id : spoken_) take_message(id);
    for (const std::uint32_t id : spoken_)
      if (!give_work(id)) idle_.insert(id);
    // Where one idle worker gets nothing, the others would get nothing either.
    while (!idle_.empty() && give_work(*idle_.begin())) idle_.erase(idle_.begin());
    if (!idle_.empty() && !look_due_ && !scheduler_.finished()) {
      look_due_ = true;
      push(clock_ + (scheduler_.searching() ? nanoseconds(1e-4) : look_interval), Kind::look);
    }
    master_free_ = clock_;
    if (++rounds_ % 1024 == 1) note_memory();
  }

  void take_message(std::uint32_t id) {
    SimulatedWorker& worker = workers_[id];
    spend(cluster_.master_message_s);
    if (worker.to_master.empty()) return;  // the first word of a worker
    for (const Done& done : worker.to_master.front()) {
      spend(cluster_.master_task_s);
      const WorkerId me{id};
      const auto [task, attempt] = done.assignment;
      if (scheduler_.succeeded(me, task, attempt) == Acceptance::accepted) {
        scheduler_.took(static_cast<int>(task.step), std::chrono::nanoseconds{done.took});
        work_ += done.took;
        ++accepted_;
      } else {
        duplicate_ += done.took;
      }
      last_result_at_ = clock_;
    }
    worker.to_master.pop_front();
    scheduler_.renew(WorkerId{id}, instant());
  }

  Instant instant() const { return Instant{clock_ / 1000}; }

  /// False if the worker holds nothing and gets nothing.
  bool give_work(std::uint32_t id) {
    SimulatedWorker& worker = workers_[id];
    std::vector<Assignment> work = scheduler_.next(WorkerId{id}, instant());
    const bool holds = worker.busy || !worker.to_worker.empty();
    if (work.empty() && !holds && clock_ - last_look_ >= look_interval) {
      last_look_ = clock_;
      if (const auto copy = scheduler_.straggler(WorkerId{id}, instant())) {
        work.push_back(*copy);
        last_look_ = clock_ - look_interval;
      }
    }
    if (work.empty()) return holds;
    worker.to_worker.push_back(std::move(work));
    push(clock_ + nanoseconds(cluster_.latency_s), Kind::at_worker, id);
    return true;
  }

  // ---- launches ----

  void begin_launch(Nanoseconds at) {
    down_ = false;
    master_free_ = at;
    for (std::uint32_t id = 0; id < workers_.size(); ++id) {
      scheduler_.add_worker(WorkerId{id});
      push(at + nanoseconds(cluster_.latency_s), Kind::at_master, id);
    }
  }

  void schedule_death() {
    if (!(cluster_.mtbf_worker_s > 0)) return;
    const double mean = cluster_.mtbf_worker_s / static_cast<double>(workers_.size());
    const double wait =
        -mean * std::log(uniform(mix64(options_.seed * 0x9e3779b97f4a7c15ULL + ++deaths_drawn_)));
    push(now_ + nanoseconds(wait), Kind::death);
  }

  /// The launch ends: what is in flight, or reported and not taken in, is lost.
  void die() {
    schedule_death();
    if (down_) return;
    ++result_.deaths;
    down_ = true;
    ++launch_;
    const Nanoseconds pause = nanoseconds(cluster_.restart_s);
    for (std::uint32_t id = 0; id < workers_.size(); ++id) {
      SimulatedWorker& worker = workers_[id];
      if (worker.busy) lost_ += now_ - worker.began;
      for (const Done& done : worker.results) lost_ += done.took;
      for (const auto& message : worker.to_master)
        for (const Done& done : message) lost_ += done.took;
      lost_ += pause;
      worker = {};
      scheduler_.lost(WorkerId{id});
    }
    arrived_.clear();
    idle_.clear();
    round_due_ = look_due_ = false;
    file_system_free_ = now_;
    push(now_ + pause, Kind::restart);
  }

  void note_memory() {
    result_.scheduler_bytes = std::max(result_.scheduler_bytes, scheduler_.memory_bytes());
  }

  Result conclude() {
    note_memory();
    const Nanoseconds end = std::max(last_result_at_, now_) + nanoseconds(cluster_.commit_s);
    result_.finished = scheduler_.finished();
    result_.tasks = accepted_;
    result_.makespan_s = seconds(end);
    result_.work_s = seconds(work_);
    const auto workers = static_cast<double>(workers_.size());
    result_.efficiency = result_.makespan_s > 0 ? result_.work_s / (workers * result_.makespan_s) : 0;
    result_.master_load = end > 0 ? static_cast<double>(master_busy_) / static_cast<double>(end) : 0;
    double idle = 0;
    for (const SimulatedWorker& worker : workers_) idle += seconds(end - worker.last_result);
    const double mean = result_.work_s / static_cast<double>(std::max<std::int64_t>(1, result_.tasks));
    result_.tail_idle_tasks = mean > 0 ? idle / workers / mean : 0;
    result_.lost_s = seconds(lost_);
    result_.duplicate_s = seconds(duplicate_);
    return result_;
  }

  const TaskGraph& graph_;
  const std::vector<TaskCost>& costs_;
  const Cluster& cluster_;
  const Options& options_;
  Scheduler scheduler_;
  std::vector<SimulatedWorker> workers_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<std::uint32_t> arrived_, spoken_;
  std::set<std::uint32_t> idle_;
  Result result_;
  std::uint64_t next_number_ = 0, deaths_drawn_ = 0, rounds_ = 0;
  std::uint32_t launch_ = 0;
  Nanoseconds now_ = 0, clock_ = 0, master_free_ = 0, master_busy_ = 0, last_commit_ = 0, last_look_ = 0;
  Nanoseconds file_system_free_ = 0, last_result_at_ = 0, work_ = 0, lost_ = 0, duplicate_ = 0;
  std::int64_t accepted_ = 0;
  bool round_due_ = false, look_due_ = false, down_ = false;
};

}  // namespace

double draw_seconds(const TaskCost& cost, const Cluster& cluster, std::uint64_t seed, TaskId task,
                    int attempt) {
  const std::uint64_t bits =
      mix64(seed ^
            mix64(static_cast<std::uint64_t>(task.index) ^
                  mix64(static_cast<std::uint64_t>(task.step) * 1021 + static_cast<std::uint64_t>(attempt))));
  double value = cost.mean_s;
  if (cost.log_sigma > 0) {
    const double normal = std::sqrt(-2 * std::log(uniform(mix64(bits + 1)))) *
                          std::cos(6.283185307179586 * uniform(mix64(bits + 2)));
    value *= std::exp(cost.log_sigma * normal - cost.log_sigma * cost.log_sigma / 2);
  }
  if (cluster.straggler_share > 0 && uniform(mix64(bits + 3)) <= cluster.straggler_share)
    value *= cluster.straggler_factor;
  return value;
}

Result run(const TaskGraph& graph, const std::vector<TaskCost>& costs, const Cluster& cluster,
           const Options& options) {
  PETAVOX_ASSERT(cluster.workers > 0 && costs.size() == static_cast<std::size_t>(graph.num_steps()));
  return Simulation{graph, costs, cluster, options}.run();
}

double minimum_effective_seconds(const Cluster& cluster, const Options& options) {
  const BlockChain graph{{1, 300, cluster.workers}, 1, 0};
  double low = 1e-7, high = 0.1;
  for (int i = 0; i < 14; ++i) {
    const double middle = std::sqrt(low * high);
    (run(graph, {{middle, 0, 0}}, cluster, options).efficiency >= 0.5 ? high : low) = middle;
  }
  return high;
}

}  // namespace petavox::simulate
