#include "petavox/schedule/scheduler.hpp"

#include "petavox/base/check.hpp"
#include "petavox/schedule/scheduler_impl.hpp"

namespace petavox {

Scheduler::Impl::Impl(const TaskGraph& graph, const SchedulerOptions& options)
    : graph_{graph}, options_{options} {
  PETAVOX_ASSERT(options.max_attempts >= 1 && options.min_ranks >= 1 && options.workers_per_rank >= 1 &&
                 options.copies >= 1 && options.prefetch >= 1 && options.batch >= 1 &&
                 options.run_length >= 1);
  steps_.reserve(static_cast<std::size_t>(graph.num_steps()));
  for (int s = 0; s < graph.num_steps(); ++s) {
    steps_.emplace_back(s, graph.num_tasks(s), &nodes_);
    total_ += steps_.back().total;
  }
}

void Scheduler::Impl::check_task(TaskId task) const {
  PETAVOX_ASSERT(task.step >= 0 && task.step < num_steps() && task.index >= 0 &&
                 task.index < step_of(task).total);
}

void Scheduler::Impl::restore(TaskId task, TaskState state, const std::vector<std::uint32_t>& charged) {
  check_task(task);
  PETAVOX_ASSERT(!started_ && code(task) == TaskCode::pending);
  Step& step = step_of(task);
  const auto charges = static_cast<int>(charged.size());
  if (charges > 0 && state == TaskState::pending) {
    History& history = histories_[task];
    history.charges = charges;
    for (const std::uint32_t rank : charged)
      if (!history.blames(rank)) history.blamed.push_back(rank);
  }
  if (state == TaskState::done) {
    step.codes.set(task.index, TaskCode::done);
    ++step.done;
    ++resolved_;
    restored_ = true;
  } else if (state == TaskState::quarantined) {
    // Its dependents are blocked in start(), when all that is done is known.
    step.codes.set(task.index, TaskCode::dead);
    ++step.quarantined;
    ++resolved_;
    quarantined_[task] = charges;
  } else {
    PETAVOX_ASSERT(state == TaskState::pending);
  }
}

void Scheduler::Impl::set_suspects(std::vector<TaskId> suspects) {
  for (const TaskId& task : suspects) {
    check_task(task);
    if (code(task) == TaskCode::pending || code(task) == TaskCode::live) suspects_.insert(task);
  }
}

void Scheduler::Impl::start() {
  if (std::exchange(started_, true)) return;
  for (const auto& [task, history] : histories_)
    if (code(task) == TaskCode::pending && exhausted(history)) {
      set_code(task, TaskCode::dead);
      ++step_of(task).quarantined;
      ++resolved_;
      quarantined_[task] = history.charges;
    }
  for (const auto& [task, charges] : quarantined_) block_dependents(task);
  for (Step& step : steps_)
    // In a fresh run only tasks without dependencies must be found; all others are woken by the last of them.
    if (step.done == step.total || !(restored_ || graph_.has_roots(step.number))) {
      step.cursor = step.total;
      step.by_cursor = false;
    }
}

bool Scheduler::Impl::dependencies_done(TaskId task) const {
  bool all = true;
  graph_.dependencies(task, [&](TaskId on) { return all = code(on) == TaskCode::done; });
  return all;
}

bool Scheduler::Impl::queued(TaskId task) const {
  const Step& step = step_of(task);
  if (step.ready.empty() && step.retry.empty()) return false;
  const ReadyKey key{graph_.locality(task), task.index};
  return step.ready.contains(key) || step.retry.contains(key);
}

TaskState Scheduler::Impl::state(TaskId task) const {
  check_task(task);
  switch (code(task)) {
    case TaskCode::pending:
      return TaskState::pending;
    case TaskCode::live:
      return queued(task) ? TaskState::ready : TaskState::running;
    case TaskCode::done:
      return TaskState::done;
    case TaskCode::dead:
      return quarantined_.contains(task) ? TaskState::quarantined : TaskState::blocked;
  }
  return TaskState::pending;
}

StepCounts Scheduler::Impl::counts(int number) const {
  const Step& step = steps_.at(static_cast<std::size_t>(number));
  return {step.total,       static_cast<Index>(step.ready.size() + step.retry.size()),
          step.running,     step.done,
          step.quarantined, step.blocked};
}

std::vector<std::pair<WorkerId, int>> Scheduler::Impl::holders(TaskId task) const {
  std::vector<std::pair<WorkerId, int>> found;
  const auto history = histories_.find(task);
  // Without a history there is at most one execution, and it ended with the result.
  if (code(task) == TaskCode::done && (history == histories_.end() || history->second.running == 0))
    return found;
  for (const auto& [id, worker] : workers_)
    for (const Execution& execution : worker.held)
      if (execution.task == task) found.emplace_back(id, execution.attempt);
  return found;
}

std::size_t Scheduler::Impl::memory_bytes() const {
  // A node of std::set or std::map: its value and about 40 bytes of links and allocator.
  constexpr std::size_t node = 40;
  std::size_t sum = sizeof(*this) + steps_.capacity() * sizeof(Step);
  for (const Step& step : steps_)
    sum += step.codes.memory_bytes() + (step.ready.size() + step.retry.size()) * (sizeof(ReadyKey) + node) +
           step.left_runs.capacity() * sizeof(Run);
  for (const auto& [id, worker] : workers_)
    sum += sizeof(std::pair<WorkerId, Worker>) + node + worker.held.capacity() * sizeof(Execution);
  sum += hungry_.capacity() * sizeof(hungry_[0]) + stragglers_.capacity() * sizeof(Straggler);
  sum += (ranks_.size() + joined_.size()) * (sizeof(std::pair<std::int64_t, int>) + node);
  for (const auto& [task, history] : histories_)
    sum += sizeof(std::pair<TaskId, History>) + node + history.blamed.capacity() * sizeof(std::int64_t);
  sum += histories_.bucket_count() * sizeof(void*);
  sum += quarantined_.size() * (sizeof(std::pair<TaskId, int>) + node);
  sum += suspects_.size() * (sizeof(TaskId) + node) + to_block_.capacity() * sizeof(TaskId);
  return sum;
}

// ---- the public face ----

Scheduler::Scheduler(const TaskGraph& graph, const SchedulerOptions& options)
    : impl_{std::make_unique<Impl>(graph, options)} {}
Scheduler::~Scheduler() = default;
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;

void Scheduler::restore(TaskId task, TaskState state, const std::vector<std::uint32_t>& charged) {
  impl_->restore(task, state, charged);
}
void Scheduler::set_suspects(std::vector<TaskId> suspects) { impl_->set_suspects(std::move(suspects)); }
void Scheduler::add_worker(WorkerId worker) { impl_->add_worker(worker); }
std::optional<TaskId> Scheduler::running(WorkerId worker) const { return impl_->running(worker); }
Verdict Scheduler::lost(WorkerId worker, std::optional<TaskId> charged) {
  return impl_->lost(worker, charged);
}
std::vector<WorkerId> Scheduler::hungry() const { return impl_->hungry(); }
int Scheduler::num_workers() const { return impl_->num_workers(); }
bool Scheduler::alone(WorkerId worker) const { return impl_->alone(worker); }
std::vector<Assignment> Scheduler::next(WorkerId worker, Instant now) { return impl_->next(worker, now); }
std::optional<Assignment> Scheduler::straggler(WorkerId worker, Instant now) {
  return impl_->straggler(worker, now);
}
std::optional<Assignment> Scheduler::again(WorkerId worker, TaskId task, Instant now) {
  return impl_->again(worker, task, now);
}
Acceptance Scheduler::succeeded(WorkerId worker, TaskId task, int attempt) {
  return impl_->succeeded(worker, task, attempt);
}
void Scheduler::took(int step, std::chrono::nanoseconds duration) { impl_->took(step, duration); }
Verdict Scheduler::failed(WorkerId worker, TaskId task, int attempt, bool retryable) {
  return impl_->failed(worker, task, attempt, retryable);
}
Verdict Scheduler::released(WorkerId worker, TaskId task, int attempt) {
  return impl_->released(worker, task, attempt);
}
void Scheduler::invalidated(TaskId task) { impl_->invalidated(task); }
void Scheduler::renew(WorkerId worker, Instant now) { impl_->renew(worker, now); }
std::vector<std::pair<WorkerId, TaskId>> Scheduler::expired(Instant now) { return impl_->expired(now); }
std::optional<Scheduler::Oldest> Scheduler::oldest(Instant now) const { return impl_->oldest(now); }
bool Scheduler::finished() const { return impl_->finished(); }
bool Scheduler::idle() const { return impl_->idle(); }
bool Scheduler::searching() const { return impl_->searching(); }
bool Scheduler::stalled() { return impl_->stalled(); }
TaskState Scheduler::state(TaskId task) const { return impl_->state(task); }
StepCounts Scheduler::counts(int step) const { return impl_->counts(step); }
StepCounts Scheduler::counts() const {
  StepCounts sum;
  for (int s = 0; s < impl_->num_steps(); ++s) {
    const StepCounts c = impl_->counts(s);
    sum.total += c.total;
    sum.ready += c.ready;
    sum.running += c.running;
    sum.done += c.done;
    sum.quarantined += c.quarantined;
    sum.blocked += c.blocked;
  }
  return sum;
}
std::vector<std::pair<WorkerId, int>> Scheduler::holders(TaskId task) const { return impl_->holders(task); }
std::vector<Quarantined> Scheduler::quarantined() const { return impl_->quarantined(); }
std::vector<TaskId> Scheduler::culprits(TaskId task, std::size_t limit) const {
  return impl_->culprits(task, limit);
}
std::size_t Scheduler::memory_bytes() const { return impl_->memory_bytes(); }

}  // namespace petavox
