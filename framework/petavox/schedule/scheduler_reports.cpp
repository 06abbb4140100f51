// What becomes of a task when its worker reports, or never will.

#include "petavox/base/check.hpp"
#include "petavox/schedule/scheduler_impl.hpp"

#include <algorithm>

namespace petavox {
namespace {

// More ready tasks than this of one step are left to its cursor: one task may wake millions.
constexpr std::size_t max_queued = 65536;

}  // namespace

// Begins to count the executions of a task, and numbers those to come.
History& Scheduler::Impl::history_of(TaskId task) {
  const auto found = histories_.find(task);
  if (found != histories_.end()) return found->second;
  History history;
  const TaskCode now = code(task);
  const bool running = now == TaskCode::live && !queued(task);
  history.running = running ? 1 : 0;
  history.next_attempt = running || now == TaskCode::done ? 2 : 1;
  return histories_.emplace(task, std::move(history)).first->second;
}

void Scheduler::Impl::drop(WorkerId id, Worker& worker, std::size_t position) {
  worker.num_brief -= worker.held[position].brief ? 1 : 0;
  worker.held.erase(worker.held.begin() + static_cast<std::ptrdiff_t>(position));
  // The room of a large batch is given back; that of a few tasks is worth keeping.
  constexpr std::size_t kept_room = 16;
  if (worker.held.empty() && worker.held.capacity() > kept_room) std::vector<Execution>{}.swap(worker.held);
  if (position == 0) worker.first_moved = true;
  if (worker.held.empty()) ++num_idle_;
  --executions_;
  list(id, worker);
}

std::optional<Execution> Scheduler::Impl::take_back(WorkerId id, TaskId task, int attempt) {
  check_task(task);
  const auto found = workers_.find(id);
  if (found == workers_.end()) return std::nullopt;
  auto& held = found->second.held;
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (held[i].task != task || held[i].attempt != attempt) continue;
    const Execution execution = held[i];
    drop(id, found->second, i);
    return execution;
  }
  return std::nullopt;
}

Acceptance Scheduler::Impl::succeeded(WorkerId id, TaskId task, int attempt) {
  if (!take_back(id, task, attempt))
    return code(task) == TaskCode::done ? Acceptance::duplicate : Acceptance::stale;
  if (const auto history = histories_.find(task); history != histories_.end()) --history->second.running;
  if (code(task) == TaskCode::done) return Acceptance::duplicate;
  Step& step = step_of(task);
  PETAVOX_ASSERT(code(task) == TaskCode::live);
  step.codes.set(task.index, TaskCode::done);
  --step.running;
  ++step.done;
  ++resolved_;
  resolve_suspect(task);
  wake_dependents(task);
  return Acceptance::accepted;
}

void Scheduler::Impl::resolve_suspect(TaskId task) {
  if (!suspects_.empty()) suspects_.erase(task);
}

void Scheduler::Impl::wake_dependents(TaskId task) {
  graph_.dependents(task, [&](TaskId waiting) {
    wake(waiting);
    return true;
  });
}

// Puts the task into the queue if it is pending and nothing is missing any more.
void Scheduler::Impl::wake(TaskId task) {
  Step& step = step_of(task);
  if (step.again || step.codes.get(task.index) != TaskCode::pending) return;
  if (!dependencies_done(task)) return;
  if (step.ready.size() >= max_queued) {
    step.again = step.by_cursor = true;
    return;
  }
  enqueue(task);
}

void Scheduler::Impl::enqueue(TaskId task) {
  Step& step = step_of(task);
  step.codes.set(task.index, TaskCode::live);
  const auto history = histories_.empty() ? histories_.end() : histories_.find(task);
  const bool failed_before = history != histories_.end() && !history->second.blamed.empty();
  (failed_before ? step.retry : step.ready).emplace(graph_.locality(task), task.index);
  ++num_ready_;
}

// A task whose last execution ended without a result. Expects it to be counted as running.
void Scheduler::Impl::requeue(TaskId task) {
  --step_of(task).running;
  set_code(task, TaskCode::pending);
  bool all = true, hopeless = false;
  graph_.dependencies(task, [&](TaskId on) {
    const TaskCode c = code(on);
    all = all && c == TaskCode::done;
    hopeless = c == TaskCode::dead;
    return !hopeless;
  });
  if (hopeless) {
    block(task);
  } else if (all) {
    enqueue(task);
  }
}

Verdict Scheduler::Impl::failed(WorkerId id, TaskId task, int attempt, bool retryable) {
  if (code(task) == TaskCode::live) history_of(task);
  if (!take_back(id, task, attempt)) return Verdict::stale;
  History& history = history_of(task);
  --history.running;
  if (code(task) != TaskCode::live) return Verdict::stale;  // another execution has succeeded
  return charge(task, id, retryable);
}

Verdict Scheduler::Impl::released(WorkerId id, TaskId task, int attempt) {
  if (code(task) == TaskCode::live) history_of(task);
  if (!take_back(id, task, attempt)) return Verdict::stale;
  History& history = history_of(task);
  --history.running;
  if (code(task) != TaskCode::live) return Verdict::stale;
  if (history.running == 0) requeue(task);
  return Verdict::retry;
}

Verdict Scheduler::Impl::lost(WorkerId id, std::optional<TaskId> charged) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return Verdict::stale;
  for (const Execution& execution : found->second.held)
    if (code(execution.task) == TaskCode::live) history_of(execution.task);
  unlist(found->second);
  const Worker gone = std::move(found->second);
  workers_.erase(found);
  executions_ -= static_cast<Index>(gone.held.size());
  if (gone.held.empty()) --num_idle_;
  if (const auto rank = ranks_.find(rank_of(id)); --rank->second == 0) ranks_.erase(rank);
  if (!gone.run.empty()) steps_[static_cast<std::size_t>(gone.run.step)].left_runs.push_back(gone.run);

  Verdict verdict = Verdict::retry;
  for (const Execution& execution : gone.held) {
    const TaskId task = execution.task;
    if (const auto history = histories_.find(task); history != histories_.end()) --history->second.running;
    if (code(task) != TaskCode::live) continue;
    if (task == charged)
      verdict = charge(task, id, true);
    else if (histories_.at(task).running == 0)
      requeue(task);
  }
  return verdict;
}

void Scheduler::Impl::invalidated(TaskId task) {
  check_task(task);
  if (code(task) != TaskCode::done) return;
  start();
  Step& step = step_of(task);
  const History& history = history_of(task);
  --step.done;
  --resolved_;
  step.codes.set(task.index, TaskCode::live);
  ++step.running;
  // Another execution that is still under way will bring the result again.
  if (history.running == 0) requeue(task);
  graph_.dependents(task, [&](TaskId reader) {
    Step& its = step_of(reader);
    if (its.codes.get(reader.index) != TaskCode::live) return true;
    const ReadyKey key{graph_.locality(reader), reader.index};
    if (its.ready.erase(key) + its.retry.erase(key) > 0) {
      its.codes.set(reader.index, TaskCode::pending);
      --num_ready_;
    }
    return true;
  });
}

}  // namespace petavox
