// Sampled double execution (run.verify_fraction): a few results are made a second time by another rank and
// compared, so that a machine that computes wrongly, or a stage whose result is not a function of its inputs,
// is found.

#include "petavox/base/log.hpp"
#include "petavox/run/master.hpp"

#include <deque>

#include <fmt/format.h>

namespace petavox {

// The same tasks whatever the ranks and the schedule; others with another seed.
bool Master::sampled(TaskId task) const {
  const double fraction = plan_.config().verify_fraction;
  if (fraction <= 0) return false;
  const std::uint64_t bits =
      mix64(plan_.config().seed ^
            mix64(static_cast<std::uint64_t>(task.step) ^ mix64(static_cast<std::uint64_t>(task.index))));
  return static_cast<double>(bits >> 11) * 0x1p-53 < fraction;
}

void Master::note_check(WorkerId worker, const TaskOutcome& outcome) {
  if (!sampled(outcome.task)) return;
  Check check;
  check.rank = rank_of(worker, threads());
  check.location = outcome.location;
  check.digest = outcome.digest;
  checking_.erase(outcome.task);
  checks_[outcome.task] = check;
}

// For a worker of another rank, unless there is none.
std::optional<Assignment> Master::next_check(WorkerId worker) {
  const int rank = rank_of(worker, threads());
  for (auto it = checks_.begin(); it != checks_.end();) {
    const auto& [task, check] = *it;
    if (scheduler_.state(task) != TaskState::done) {  // invalidated since: the next result is sampled, too
      it = checks_.erase(it);
      continue;
    }
    if (rank == check.rank && !scheduler_.alone(worker)) {
      ++it;
      continue;
    }
    const auto assignment = scheduler_.again(worker, task, now());
    if (!assignment) return std::nullopt;
    Check& taken = checking_[task] = check;
    taken.worker = worker;
    taken.attempt = assignment->attempt;
    ++taken.attempts;
    checks_.erase(it);
    return assignment;
  }
  return std::nullopt;
}

// The check whose second execution this is the end of.
std::optional<Master::Check> Master::drop_check(WorkerId worker, const TaskOutcome& outcome) {
  const auto found = checking_.find(outcome.task);
  if (found == checking_.end() || found->second.worker != worker || found->second.attempt != outcome.attempt)
    return std::nullopt;
  const Check check = found->second;
  checking_.erase(found);
  return check;
}

void Master::compare(WorkerId worker, const TaskOutcome& second) {
  const auto dropped = drop_check(worker, second);
  if (!dropped) return;
  const Check& first = *dropped;
  // A shard's record names its file, which is another one; its digest is that of its voxels.
  const bool store = plan_.step(static_cast<int>(second.task.step)).kind == StepKind::store;
  const bool same =
      second.kind == OutcomeKind::done && (store ? second.digest == first.digest
                                                 : second.location.checksum == first.location.checksum &&
                                                       second.location.length == first.location.length);
  if (same) return;
  forget_descendants(second.task);
  mismatch_ = fmt::format(
      "{}: ranks {} and {} computed different results (a machine is faulty, or the stage is no function of "
      "its "
      "inputs; both results and what was made of them are discarded); test the machines of these ranks, or "
      "run "
      "`petavox verify`, then run the same command again",
      plan_.describe(second.task), first.rank, rank_of(worker, threads()));
}

// The second execution failed, though the first did not.
void Master::give_up_check(WorkerId worker, const TaskOutcome& outcome) {
  const auto dropped = drop_check(worker, outcome);
  if (!dropped) return;
  const Check& check = *dropped;
  log::warning(fmt::format("{} (a second execution, to compare it with the first)", outcome.text));
  compare_again(outcome.task, check);
}

void Master::compare_again(TaskId task, const Check& check) {
  if (check.attempts < plan_.config().max_attempts)
    checks_[task] = check;
  else
    log::warning(fmt::format("{} is not compared: its second execution did not come to its end {} times",
                             plan_.describe(task), check.attempts));
}

// Of workers that were given up, or left.
void Master::requeue_lost_checks() {
  for (auto it = checking_.begin(); it != checking_.end();) {
    const auto& [task, check] = *it;
    bool held = false;
    for (const auto& [worker, attempt] : scheduler_.holders(task))
      held = held || (worker == check.worker && attempt == check.attempt);
    if (held) {
      ++it;
      continue;
    }
    compare_again(task, check);
    it = checking_.erase(it);
  }
}

// Which of two results is right is not known: neither counts, nor what was made of them.
void Master::forget_descendants(TaskId task) {
  std::deque<TaskId> waiting{task};
  std::set<TaskId> seen{task};
  while (!waiting.empty()) {
    const TaskId here = waiting.front();
    waiting.pop_front();
    graph_.dependents(here, [&](TaskId reader) {
      if (scheduler_.state(reader) == TaskState::done && seen.insert(reader).second)
        waiting.push_back(reader);
      return true;
    });
    invalidate(here);
  }
}

}  // namespace petavox
