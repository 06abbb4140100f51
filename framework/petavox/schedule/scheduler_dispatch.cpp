// Which task a worker gets.

#include "petavox/base/check.hpp"
#include "petavox/schedule/scheduler_impl.hpp"

#include <algorithm>

namespace petavox {
namespace {

// Tasks that one call looks at along the cursors of each step: a few when there is other work, many (some ten
// milliseconds) when there is none, so that a long search never keeps the master from its messages.
constexpr int few_looks = 4;
constexpr int many_looks = 100'000;
// Retries that one call looks through for one that this worker has not failed on.
constexpr int retries_looked_at = 64;
// Durations after which they are preferred to the graph's guess, and over which they are averaged.
constexpr int enough_timed = 16;
// … and so many say roughly how long a task takes: enough to call one slow.
constexpr int enough_to_judge = 4;
// Time between two searches for stragglers, for each execution in flight that they look at: some ten times
// what the look takes.
constexpr auto rest_after_look = std::chrono::microseconds{1};

}  // namespace

void Scheduler::Impl::add_worker(WorkerId id) {
  const auto [added, fresh] = workers_.try_emplace(id);
  PETAVOX_ASSERT(fresh);
  list(id, added->second);
  ++num_idle_;
  ++ranks_[rank_of(id)];
  if (all_joined_) return;
  joined_.insert(rank_of(id));
  all_joined_ = static_cast<int>(joined_.size()) >= options_.num_ranks;
}

// How many more executions the worker may get, a batch of short ones counting as one.
int Scheduler::Impl::room(const Worker& worker) const {
  const int large = static_cast<int>(worker.held.size()) - worker.num_brief;
  return options_.prefetch - large - (worker.num_brief + options_.batch - 1) / options_.batch;
}

// Keeps hungry_ true after what the worker holds has changed.
void Scheduler::Impl::list(WorkerId id, Worker& worker) {
  if (room(worker) <= 0) return unlist(worker);
  if (worker.listed_at != Worker::not_listed) return;
  worker.listed_at = hungry_.size();
  hungry_.emplace_back(id, &worker);
}

void Scheduler::Impl::unlist(Worker& worker) {
  if (worker.listed_at == Worker::not_listed) return;
  hungry_.back().second->listed_at = worker.listed_at;
  hungry_[worker.listed_at] = hungry_.back();
  hungry_.pop_back();
  worker.listed_at = Worker::not_listed;
}

std::vector<WorkerId> Scheduler::Impl::hungry() const {
  std::vector<std::pair<int, WorkerId>> found;
  found.reserve(hungry_.size());
  for (const auto& [id, worker] : hungry_) found.emplace_back(-room(*worker), id);
  std::sort(found.begin(), found.end());
  std::vector<WorkerId> ids;
  ids.reserve(found.size());
  for (const auto& entry : found) ids.push_back(entry.second);
  return ids;
}

bool Scheduler::Impl::searching() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.unlooked(); });
}

std::vector<Assignment> Scheduler::Impl::next(WorkerId id, Instant now) {
  start();
  std::vector<Assignment> given;
  const auto found = workers_.find(id);
  if (found == workers_.end()) return given;
  Worker& worker = found->second;
  if (!first_asked_) first_asked_ = now;
  if (now - *first_asked_ > options_.lease) all_joined_ = true;
  if (!worker.held.empty() && std::exchange(worker.first_moved, false)) worker.first_since = now;

  if (!suspects_.empty()) {
    if (executions_ > 0) return given;
    if (const auto task = take_suspect(id)) given.push_back(issue(worker, *task, now));
    list(id, worker);
    if (!given.empty() || !suspects_.empty()) return given;
  }
  for (int free = room(worker); free > 0; --free) {
    if (leave_to_idle(worker)) break;
    auto task = take(id, worker, few_looks);
    if (!task && given.empty() && searching()) task = take(id, worker, many_looks);
    if (!task) break;
    Step& step = step_of(*task);
    const int quota = brief_quota(step);
    given.push_back(issue(worker, *task, now));
    for (int n = 1; n < quota && brief(*task); ++n) {
      task = take_in(step, id, worker, few_looks);
      if (!task) break;
      given.push_back(issue(worker, *task, now));
    }
  }
  list(id, worker);
  return given;
}

// A worker that has something to do leaves the last tasks that could start to those that have nothing.
bool Scheduler::Impl::leave_to_idle(const Worker& worker) const {
  if (worker.held.empty() || num_idle_ == 0) return false;
  Index at_most = num_ready_;  // … and what cursors may find beside those
  for (const Step& step : steps_)
    if (step.by_cursor)
      at_most += step.unresolved() - static_cast<Index>(step.ready.size() + step.retry.size());
  return at_most <= num_idle_;
}

// Short tasks in one batch: a share of what is known to be ready, so that the end is spread over all workers.
int Scheduler::Impl::brief_quota(const Step& step) const {
  if (step.unlooked()) return options_.batch;
  const Index shares = 2 * std::max<Index>(1, num_workers());
  const Index known = static_cast<Index>(step.ready.size()) + 1;
  return static_cast<int>(std::clamp<Index>((known + shares - 1) / shares, 1, options_.batch));
}

bool Scheduler::Impl::brief(TaskId task) const {
  const Step& step = step_of(task);
  if (step.num_timed < enough_timed) return graph_.tiny(task);
  return step.mean_ns < 1e3 * static_cast<double>(options_.brief.count());
}

// A long task among short ones counts at once; it takes many short ones to forget it.
void Scheduler::Impl::took(int number, std::chrono::nanoseconds duration) {
  Step& step = steps_.at(static_cast<std::size_t>(number));
  step.num_timed = std::min(step.num_timed + 1, enough_timed);
  step.mean_ns += (static_cast<double>(duration.count()) - step.mean_ns) / step.num_timed;
}

Assignment Scheduler::Impl::issue(Worker& worker, TaskId task, Instant now) {
  int attempt = 1;
  if (const auto history = histories_.find(task); history != histories_.end()) {
    attempt = history->second.next_attempt++;
    ++history->second.running;
    history->second.newest = now;
  }
  set_code(task, TaskCode::live);
  const bool is_brief = brief(task);
  if (worker.held.empty()) {
    --num_idle_;
    worker.first_since = now;
    worker.first_moved = false;
  }
  worker.held.push_back({task, attempt, now, is_brief});
  worker.num_brief += is_brief ? 1 : 0;
  worker.place = graph_.locality(task);
  ++executions_;
  return {task, attempt};
}

std::optional<TaskId> Scheduler::Impl::take(WorkerId id, Worker& worker, int looks) {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step)
    if (const auto task = take_in(*step, id, worker, looks)) return task;
  return take_from_others(id, worker);
}

// The task is no longer queued afterwards, and counted as running.
std::optional<TaskId> Scheduler::Impl::take_in(Step& step, WorkerId id, Worker& worker, int looks) {
  std::optional<TaskId> task;
  if (!step.retry.empty()) task = take_retry(step, id);
  if (!task && !step.ready.empty()) task = take_nearest(step, worker);
  if (!task) task = take_along(step, worker, looks);
  if (task) ++step.running;
  return task;
}

std::optional<TaskId> Scheduler::Impl::take_retry(Step& step, WorkerId id) {
  int looked = 0;
  for (auto it = step.retry.begin(); it != step.retry.end() && looked < retries_looked_at; ++it, ++looked) {
    const TaskId task{step.number, it->second};
    if (leave_to_others(histories_.at(task), id)) continue;
    step.retry.erase(it);
    --num_ready_;
    return task;
  }
  return std::nullopt;
}

// Has its rank failed on this task while there is, or will be, one that has not?
bool Scheduler::Impl::leave_to_others(const History& history, WorkerId id) const {
  if (!history.blames(rank_of(id))) return false;
  std::size_t blamed_alive = 0;
  for (const std::int64_t rank : history.blamed) blamed_alive += ranks_.contains(rank) ? 1 : 0;
  return !all_joined_ || blamed_alive < ranks_.size();
}

// The one that shares the longest prefix of its Morton position with the worker's place stands beside it.
std::optional<TaskId> Scheduler::Impl::take_nearest(Step& step, const Worker& worker) {
  auto best = step.ready.lower_bound({worker.place, 0});
  if (best == step.ready.end() ||
      (best != step.ready.begin() && (std::prev(best)->first ^ worker.place) < (best->first ^ worker.place)))
    --best;
  const TaskId task{step.number, best->second};
  step.ready.erase(best);
  --num_ready_;
  return task;
}

std::optional<TaskId> Scheduler::Impl::take_from_run(Run& run) {
  while (!run.empty()) {
    const TaskId task{run.step, graph_.in_order(run.step, run.begin++)};
    if (code(task) == TaskCode::pending && dependencies_done(task)) return task;
  }
  return std::nullopt;
}

std::optional<TaskId> Scheduler::Impl::look(Step& step, int& looks) {
  while (looks > 0 && step.unlooked()) {
    if (step.cursor >= step.total) {
      step.cursor = 0;
      step.again = false;
    }
    --looks;
    const TaskId task{step.number, graph_.in_order(step.number, step.cursor++)};
    if (code(task) == TaskCode::pending && dependencies_done(task)) return task;
  }
  return std::nullopt;
}

std::optional<TaskId> Scheduler::Impl::take_along(Step& step, Worker& worker, int looks) {
  if (worker.run.step == step.number)
    if (const auto task = take_from_run(worker.run)) return task;
  const auto change_to = [&](const Run& run) {
    if (!worker.run.empty())
      steps_[static_cast<std::size_t>(worker.run.step)].left_runs.push_back(worker.run);
    worker.run = run;
    if (!run.empty()) steal_length_ = std::max(steal_length_, run.end - run.begin);
  };
  while (!step.left_runs.empty()) {
    const Run run = step.left_runs.back();
    step.left_runs.pop_back();
    change_to(run);
    if (const auto task = take_from_run(worker.run)) return task;
  }
  const auto task = look(step, looks);
  if (task) {
    const Index end = std::min(step.total, step.cursor + options_.run_length - 1);
    change_to({step.number, step.cursor, end});
    step.cursor = end;
  }
  return task;
}

// A run of at least steal_length_ of another worker: the next one in the circle of workers.
Run* Scheduler::Impl::find_run(WorkerId not_of) {
  auto it = workers_.lower_bound(steal_from_);
  for (std::size_t looked = 0; looked < workers_.size(); ++looked, ++it) {
    if (it == workers_.end()) it = workers_.begin();
    Run& run = it->second.run;
    if (it->first == not_of || run.empty() || run.end - run.begin < steal_length_) continue;
    steal_from_ = it->first;
    return &run;
  }
  return nullptr;
}

// At the end of a step only runs of busy workers are left: an idle one takes from the end of a long one. Each
// walk round the circle that finds none halves what counts as long, so that the walks together cost little.
std::optional<TaskId> Scheduler::Impl::take_from_others(WorkerId id, Worker& worker) {
  if (!worker.held.empty()) return std::nullopt;
  while (steal_length_ > 0) {
    Run* const longest = find_run(id);
    if (longest == nullptr) {
      steal_length_ /= 2;
      continue;
    }
    Run half{longest->step, longest->begin + (longest->end - longest->begin) / 2, longest->end};
    longest->end = half.begin;
    if (const auto task = take_from_run(half)) {
      worker.run = half;  // its own is empty, or something would have been found in it
      ++step_of(*task).running;
      return task;
    }
  }
  return std::nullopt;
}

std::optional<TaskId> Scheduler::Impl::take_suspect(WorkerId id) {
  for (auto it = suspects_.begin(); it != suspects_.end();) {
    const TaskId task = *it;
    Step& step = step_of(task);
    const ReadyKey key{graph_.locality(task), task.index};
    const bool waiting = step.ready.contains(key) || step.retry.contains(key);
    if (!waiting && !(code(task) == TaskCode::pending && dependencies_done(task))) {
      it = suspects_.erase(it);  // resolved, or it cannot have been running: no suspect
      continue;
    }
    if (const auto history = histories_.find(task);
        history != histories_.end() && leave_to_others(history->second, id)) {
      ++it;
      continue;
    }
    if (step.ready.erase(key) + step.retry.erase(key) > 0) --num_ready_;
    ++step.running;
    return task;
  }
  return std::nullopt;
}

std::optional<Assignment> Scheduler::Impl::straggler(WorkerId id, Instant now) {
  start();
  const auto found = workers_.find(id);
  if (found == workers_.end() || !found->second.held.empty() || !suspects_.empty()) return std::nullopt;
  if (now >= quiet_until_) find_stragglers(now);
  for (std::size_t i = stragglers_.size(); i-- > 0;) {
    const auto [running, since, holder, assignment] = stragglers_[i];
    const TaskId task = assignment.task;
    const Execution* const execution = find_execution(holder, assignment);
    const bool candidate =
        execution != nullptr && now - newest(*execution) >= slow_after(step_of(task)) && may_duplicate(task);
    if (const auto history = histories_.find(task);
        candidate && history != histories_.end() && history->second.blames(rank_of(id)))
      continue;
    stragglers_.erase(stragglers_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!candidate) continue;
    history_of(task);  // from now on its executions are counted
    const Assignment copy = issue(found->second, task, now);
    list(id, found->second);
    return copy;
  }
  return std::nullopt;
}

const Execution* Scheduler::Impl::find_execution(WorkerId id, const Assignment& assignment) const {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return nullptr;
  for (const Execution& execution : found->second.held)
    if (execution.task == assignment.task && execution.attempt == assignment.attempt) return &execution;
  return nullptr;
}

Instant Scheduler::Impl::slow_after(const Step& step) const {
  if (step.num_timed < enough_to_judge) return options_.straggler_age;
  // Compared before it is converted: a duration that somebody reports may be any number.
  const double us = options_.straggler_factor * step.mean_ns * 1e-3;
  if (us >= static_cast<double>(options_.straggler_age.count())) return options_.straggler_age;
  const Instant usual{static_cast<Instant::rep>(us)};
  return std::clamp(usual, std::min(options_.least_straggler_age, options_.straggler_age),
                    options_.straggler_age);
}

void Scheduler::Impl::find_stragglers(Instant now) {
  stragglers_.clear();
  // What is handed out from now on, or is out of the question now, is looked at again then at the latest.
  quiet_until_ = now + std::min(options_.least_straggler_age, options_.straggler_age);
  for (const auto& [id, worker] : workers_)
    for (const Execution& execution : worker.held) {
      if (!may_duplicate(execution.task)) continue;
      if (const Instant old = newest(execution) + slow_after(step_of(execution.task)); old > now)
        quiet_until_ = std::min(quiet_until_, old);
      else
        stragglers_.push_back(
            {executions_of(execution.task), execution.since, id, {execution.task, execution.attempt}});
    }
  quiet_until_ = std::max(quiet_until_, now + executions_ * rest_after_look);
  std::stable_sort(stragglers_.begin(), stragglers_.end(), [](const Straggler& a, const Straggler& b) {
    return std::pair{a.running, a.since} < std::pair{b.running, b.since};
  });
  std::reverse(stragglers_.begin(), stragglers_.end());
}

std::optional<Assignment> Scheduler::Impl::again(WorkerId id, TaskId task, Instant now) {
  start();
  const auto found = workers_.find(id);
  if (found == workers_.end() || !suspects_.empty() || room(found->second) <= 0) return std::nullopt;
  if (code(task) != TaskCode::done || !dependencies_done(task)) return std::nullopt;
  history_of(task);  // from now on its executions are counted
  const Assignment assignment = issue(found->second, task, now);
  set_code(task, TaskCode::done);
  list(id, found->second);
  return assignment;
}

// Expects a task that some worker holds.
int Scheduler::Impl::executions_of(TaskId task) const {
  const auto history = histories_.find(task);
  return history == histories_.end() ? 1 : history->second.running;
}

// When the last execution of its task was handed out, this one or another.
Instant Scheduler::Impl::newest(const Execution& execution) const {
  const auto history = histories_.find(execution.task);
  return history == histories_.end() ? execution.since : std::max(execution.since, history->second.newest);
}

// Expects a task that some worker holds.
bool Scheduler::Impl::may_duplicate(TaskId task) const {
  // What it reads may have been invalidated since.
  return code(task) == TaskCode::live && executions_of(task) < options_.copies && dependencies_done(task);
}

void Scheduler::Impl::renew(WorkerId id, Instant now) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  found->second.first_since = now;
  found->second.first_moved = false;
}

std::vector<std::pair<WorkerId, TaskId>> Scheduler::Impl::expired(Instant now) {
  std::vector<std::pair<WorkerId, TaskId>> late;
  for (auto& [id, worker] : workers_) {
    if (worker.held.empty()) continue;
    if (std::exchange(worker.first_moved, false)) worker.first_since = now;
    if (now - worker.first_since > options_.lease) late.emplace_back(id, worker.held.front().task);
  }
  return late;
}

std::optional<TaskId> Scheduler::Impl::running(WorkerId id) const {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second.held.empty()) return std::nullopt;
  return found->second.held.front().task;
}

std::optional<Scheduler::Oldest> Scheduler::Impl::oldest(Instant now) const {
  std::optional<Scheduler::Oldest> found;
  for (const auto& [id, worker] : workers_) {
    if (worker.held.empty()) continue;
    const Instant age = worker.first_moved ? Instant{0} : now - worker.first_since;
    if (!found || age > found->age) found = Scheduler::Oldest{id, worker.held.front().task, age};
  }
  return found;
}

bool Scheduler::Impl::stalled() {
  start();
  if (finished() || workers_.empty() || executions_ > 0 || num_ready_ > 0 || searching()) return false;
  for (const auto& [id, worker] : workers_)
    if (!worker.run.empty()) return false;
  return std::all_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.left_runs.empty(); });
}

}  // namespace petavox
