// Workers that no longer answer: which task is to blame.

#include "petavox/base/log.hpp"
#include "petavox/run/master.hpp"

#include <fmt/format.h>

namespace petavox {

void Master::charge(TaskId task, const Charge& charge) {
  charges_[task].push_back(charge);
  journal_.lost({task, charge.generation, charge.rank});
}

// What the worker runs. Results are reported several at a time: by its slot it may be past the first of the
// tasks that it holds. What a slot on another host says may be old; then it does not hold that task any more.
std::optional<TaskId> Master::at_hand(WorkerId worker) const {
  const auto first = scheduler_.running(worker);
  if (!first) return first;
  const auto rank = static_cast<std::uint32_t>(rank_of(worker, threads()));
  if (const auto file = read_running_file(root_, generation(), rank))
    for (const RunningSlot& slot : file->slots) {
      if (slot.state != SlotState::running || slot.task.step >= plan_.num_steps() ||
          slot.task.index >= plan_.num_tasks(static_cast<int>(slot.task.step)))
        continue;
      for (const auto& [holder, attempt] : scheduler_.holders(slot.task))
        if (holder == worker && attempt == static_cast<int>(slot.attempt)) return slot.task;
    }
  return first;
}

void Master::give_up_worker(WorkerId worker, TaskId task) {
  const int rank = rank_of(worker, threads());
  const std::string text = fmt::format(
      "{}: rank {} has not answered within its lease of {} s (it hangs, or the lease is too short)",
      plan_.describe(task), rank, plan_.config().lease_s);
  ++failed_attempts_;
  charge(task, {generation(), static_cast<std::uint32_t>(rank)});
  errors_[task] = text + "; correct the stage, or raise run.lease_s";
  if (scheduler_.lost(worker, task) == Verdict::quarantined) journal_.quarantined(task, errors_[task]);
  log::warning(text + "; the task goes to another worker");
}

// A rank of several threads that says nothing at all is dead, and each of its tasks may have killed it: no
// one is charged, and each runs once more with nothing beside it.
std::vector<WorkerId> Master::give_up_rank(int rank) {
  std::vector<WorkerId> workers;
  std::vector<TaskId> suspects;
  for (int thread = 0; thread < threads(); ++thread) {
    const WorkerId worker = worker_of(rank, thread, threads());
    workers.push_back(worker);
    if (const auto task = at_hand(worker)) suspects.push_back(*task);
  }
  if (suspects.size() == 1) {
    for (const WorkerId worker : workers)
      if (scheduler_.running(worker)) give_up_worker(worker, suspects.front());
  } else {
    log::warning(
        fmt::format("rank {} is silent (it has died or is stopped); its {} tasks run again, one at a time",
                    rank, suspects.size()));
  }
  for (const WorkerId worker : workers) scheduler_.lost(worker);
  heard_.erase(rank);
  if (suspects.size() > 1) scheduler_.set_suspects(std::move(suspects));
  return workers;
}

std::vector<WorkerId> Master::give_up_expired() {
  std::vector<WorkerId> given_up;
  for (const auto& [worker, task] : scheduler_.expired(now())) {
    if (scheduler_.running(worker) != task) continue;  // given up with its rank
    const int rank = rank_of(worker, threads());
    if (threads() > 1 && silent(rank)) {
      for (const WorkerId gone : give_up_rank(rank)) given_up.push_back(gone);
    } else {
      give_up_worker(worker, at_hand(worker).value_or(task));
      given_up.push_back(worker);
    }
  }
  return given_up;
}

// The master's own rank never is. Others speak every quarter of a lease at least.
bool Master::silent(int rank) const {
  const auto found = heard_.find(rank);
  return found != heard_.end() &&
         now() - found->second > Instant{static_cast<std::int64_t>(plan_.config().lease_s * 0.5e6)};
}

}  // namespace petavox
