#include "unit/schedule/simulation.hpp"

#include <algorithm>

namespace petavox::testing {
namespace {

std::string show(TaskId task) { return to_string(task); }

}  // namespace

Simulation::Simulation(const TaskGraph& graph, const SimulationOptions& options, std::uint64_t seed)
    : graph_{graph}, options_{options}, random_{seed}, scheduler_{graph, options.scheduler} {}

void Simulation::restore_done(TaskId task) {
  scheduler_.restore(task, TaskState::done);
  done_.insert(task);
}

void Simulation::hand_out(WorkerId worker, const std::vector<Assignment>& given) {
  for (const Assignment& a : given) {
    log_.push_back(a);
    ++executions_[a.task];
    if (done_.contains(a.task)) broken(show(a.task) + " was handed out though it is done");
    if (quarantined_.contains(a.task)) broken(show(a.task) + " was handed out though it is quarantined");
    graph_.dependencies(a.task, [&](TaskId on) {
      if (!done_.contains(on)) broken(show(a.task) + " was handed out before " + show(on) + " was done");
      return true;
    });
    if (!attempts_.insert({a.task, a.attempt}).second)
      broken(show(a.task) + " has two executions with attempt " + std::to_string(a.attempt));
    auto& held = workers_.at(worker);
    for (const Held& other : held)
      if (other.task == a.task) broken(show(a.task) + " was given to the same worker twice");
    held.push_back({a.task, a.attempt});
    // The same mixture that the options allow: one batch of tiny tasks counts as one task.
    int large = 0, tiny = 0;
    for (const Held& h : held) (graph_.tiny(h.task) ? tiny : large) += 1;
    const int batch = options_.scheduler.batch;
    if (large + (tiny + batch - 1) / batch > options_.scheduler.prefetch + 1)
      broken("a worker holds more than it should");
  }
}

void Simulation::ask_all() {
  now_ += std::chrono::seconds{1};
  for (const WorkerId worker : scheduler_.hungry()) {
    hand_out(worker, scheduler_.next(worker, now_));
    if (workers_.at(worker).empty())
      if (const auto extra = scheduler_.straggler(worker, now_)) hand_out(worker, {*extra});
  }
}

void Simulation::report_success(WorkerId worker, const Held& held, bool expected) {
  const bool was_done = done_.contains(held.task);
  const Acceptance answer = scheduler_.succeeded(worker, held.task, held.attempt);
  const Acceptance right = was_done   ? Acceptance::duplicate
                           : expected ? Acceptance::accepted
                                      : Acceptance::stale;
  if (answer != right)
    broken(show(held.task) + ": a success was taken as " + std::to_string(static_cast<int>(answer)));
  if (answer == Acceptance::accepted) done_.insert(held.task);
  if (scheduler_.state(held.task) == TaskState::done && !done_.contains(held.task))
    broken(show(held.task) + " is done without a result");
}

void Simulation::kill(WorkerId worker, std::optional<TaskId> blamed) {
  if (scheduler_.lost(worker, blamed) == Verdict::quarantined) quarantined_.insert(*blamed);
  for (const Held& held : workers_.at(worker)) ghosts_.emplace_back(worker, held);
  workers_.erase(worker);
}

void Simulation::invalidate_one() {
  if (done_.empty() || invalidations_left_-- <= 0) return;
  auto it = done_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random_() % done_.size()));
  const TaskId task = *it;
  done_.erase(it);
  scheduler_.invalidated(task);
  // Its readers must not be waiting to start any more.
  graph_.dependents(task, [&](TaskId reader) {
    if (scheduler_.state(reader) == TaskState::ready)
      broken(show(reader) + " is ready though its input is damaged");
    return true;
  });
}

void Simulation::step() {
  while (static_cast<int>(workers_.size()) < options_.workers) {
    const WorkerId id{next_worker_++};
    scheduler_.add_worker(id);
    workers_[id];
  }
  ask_all();
  std::vector<WorkerId> busy;
  for (const auto& [id, held] : workers_)
    if (!held.empty()) busy.push_back(id);
  if (busy.empty()) {
    if (!scheduler_.finished() && !scheduler_.searching()) broken("nothing runs and the end is not reached");
    return;
  }
  const WorkerId worker = busy[random_() % busy.size()];
  auto& holding = workers_.at(worker);
  const std::size_t which = chance(0.8) ? 0 : random_() % holding.size();
  const Held held = holding[which];
  if (chance(options_.die)) {
    kill(worker, chance(options_.blame) ? std::optional{held.task} : std::nullopt);
  } else {
    holding.erase(holding.begin() + static_cast<std::ptrdiff_t>(which));
    ghosts_.emplace_back(worker, held);
    const bool poisoned = options_.poison.contains(held.task);
    if (poisoned || chance(options_.fail)) {
      const Verdict verdict = scheduler_.failed(worker, held.task, held.attempt, !chance(options_.fail_hard));
      if (verdict == Verdict::quarantined) quarantined_.insert(held.task);
      if (verdict == Verdict::stale && !done_.contains(held.task)) broken("a failure went unheard");
    } else if (chance(options_.release)) {
      scheduler_.released(worker, held.task, held.attempt);
    } else {
      report_success(worker, held, true);
      if (chance(options_.invalidate)) invalidate_one();
    }
  }
  if (!ghosts_.empty() && chance(options_.zombie)) {
    const auto [ghost, late] = ghosts_[random_() % ghosts_.size()];
    if (chance(0.5))
      report_success(ghost, late, false);
    else if (scheduler_.failed(ghost, late.task, late.attempt) != Verdict::stale)
      broken("a failure reported by a ghost was heard");
  }
}

void Simulation::check_end() {
  std::set<TaskId> hopeless = quarantined_;
  for (bool more = true; std::exchange(more, false);)
    for (int s = 0; s < graph_.num_steps(); ++s)
      for (Index i = 0; i < graph_.num_tasks(s); ++i) {
        const TaskId task{s, i};
        if (hopeless.contains(task) || done_.contains(task)) continue;
        graph_.dependencies(task, [&](TaskId on) {
          if (hopeless.contains(on)) more = hopeless.insert(task).second || more;
          return true;
        });
      }
  StepCounts sum;
  for (int s = 0; s < graph_.num_steps(); ++s)
    for (Index i = 0; i < graph_.num_tasks(s); ++i) {
      const TaskId task{s, i};
      const TaskState right = done_.contains(task)          ? TaskState::done
                              : quarantined_.contains(task) ? TaskState::quarantined
                                                            : TaskState::blocked;
      if (scheduler_.state(task) != right) broken(show(task) + " ends in the wrong state");
      if (right == TaskState::blocked) {
        if (!hopeless.contains(task)) broken(show(task) + " is blocked by nothing");
        if (scheduler_.culprits(task).empty()) broken(show(task) + " is blocked without a culprit");
        ++sum.blocked;
      }
      sum.done += right == TaskState::done ? 1 : 0;
      sum.quarantined += right == TaskState::quarantined ? 1 : 0;
      ++sum.total;
    }
  const StepCounts counts = scheduler_.counts();
  if (counts.done != sum.done || counts.blocked != sum.blocked || counts.quarantined != sum.quarantined ||
      counts.total != sum.total || counts.ready != 0 || counts.running != 0 || counts.pending() != 0)
    broken("the counts are wrong at the end");
}

std::string Simulation::run() {
  for (int steps = 0; !scheduler_.finished() && problem_.empty(); ++steps) {
    if (steps > 200'000) return "the run does not end";
    if (scheduler_.stalled()) return "stalled";
    step();
  }
  if (problem_.empty()) check_end();
  return problem_;
}

}  // namespace petavox::testing
