// Who is to blame for a failure, when to stop trying, and what cannot run because of it.

#include "petavox/base/check.hpp"
#include "petavox/schedule/scheduler_impl.hpp"

#include <algorithm>
#include <unordered_set>

namespace petavox {
namespace {

// Dependents waiting to be passed on; a task may have millions, which are then found by passing over all.
constexpr std::size_t max_waiting = 65536;

}  // namespace

Verdict Scheduler::Impl::charge(TaskId task, WorkerId id, bool retryable) {
  History& history = history_of(task);
  ++history.charges;
  if (!history.blames(rank_of(id))) history.blamed.push_back(rank_of(id));
  if (history.running > 0) return Verdict::retry;  // the other execution decides
  if (retryable && !exhausted(history)) {
    requeue(task);
    return Verdict::retry;
  }
  quarantine(task);
  return Verdict::quarantined;
}

bool Scheduler::Impl::exhausted(const History& history) const {
  if (history.charges < options_.max_attempts) return false;
  // Of the ranks that there are, were or will be, at least min_ranks must have been charged, or else all.
  auto known = static_cast<int>(ranks_.size());
  for (const std::int64_t rank : history.blamed) known += ranks_.contains(rank) ? 0 : 1;
  if (!all_joined_) known = std::max(known, options_.num_ranks);
  return static_cast<int>(history.blamed.size()) >= std::min(options_.min_ranks, std::max(1, known));
}

void Scheduler::Impl::quarantine(TaskId task) {
  Step& step = step_of(task);
  PETAVOX_ASSERT(code(task) == TaskCode::live);
  step.codes.set(task.index, TaskCode::dead);
  --step.running;
  ++step.quarantined;
  ++resolved_;
  quarantined_[task] = histories_.at(task).charges;
  resolve_suspect(task);
  block_dependents(task);
}

void Scheduler::Impl::mark_blocked(TaskId task) {
  Step& step = step_of(task);
  step.codes.set(task.index, TaskCode::dead);
  ++step.blocked;
  ++resolved_;
  resolve_suspect(task);
}

// Expects a pending task.
void Scheduler::Impl::block(TaskId task) {
  mark_blocked(task);
  block_dependents(task);
}

// Tasks that are running or done although a dependency is dead (it was invalidated later) are left alone.
void Scheduler::Impl::block_dependents(TaskId task) {
  bool overflow = false;
  to_block_.assign(1, task);
  while (!to_block_.empty()) {
    const TaskId dead = to_block_.back();
    to_block_.pop_back();
    graph_.dependents(dead, [&](TaskId waiting) {
      if (code(waiting) != TaskCode::pending) return true;
      mark_blocked(waiting);
      if (to_block_.size() < max_waiting)
        to_block_.push_back(waiting);
      else
        overflow = true;
      return true;
    });
  }
  if (overflow)
    while (block_remaining()) {
    }
}

// Finds pending tasks with a dead dependency by a pass over all. True if it found any.
bool Scheduler::Impl::block_remaining() {
  bool found = false;
  for (Step& step : steps_)
    for (Index i = 0; i < step.total; ++i) {
      if (step.codes.get(i) != TaskCode::pending) continue;
      bool hopeless = false;
      graph_.dependencies({step.number, i},
                          [&](TaskId on) { return !(hopeless = code(on) == TaskCode::dead); });
      if (!hopeless) continue;
      found = true;
      mark_blocked({step.number, i});
    }
  return found;
}

std::vector<Quarantined> Scheduler::Impl::quarantined() const {
  std::vector<Quarantined> all;
  for (const auto& [task, charges] : quarantined_) all.push_back({task, charges});
  return all;
}

std::vector<TaskId> Scheduler::Impl::culprits(TaskId task, std::size_t limit) const {
  std::vector<TaskId> found;
  check_task(task);
  if (code(task) != TaskCode::dead) return found;
  std::vector<TaskId> path{task};
  std::unordered_set<TaskId> seen{task};
  while (!path.empty() && found.size() < limit) {
    const TaskId here = path.back();
    path.pop_back();
    if (quarantined_.contains(here)) {
      found.push_back(here);
      continue;
    }
    graph_.dependencies(here, [&](TaskId on) {
      if (code(on) == TaskCode::dead && seen.insert(on).second) path.push_back(on);
      return true;
    });
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace petavox
