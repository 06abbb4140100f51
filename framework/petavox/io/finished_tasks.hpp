#pragma once
// Which tasks are done: one bit a task. Decides which of several records of a task counts: the first one
// that was not invalidated since. Not synchronised.

#include "petavox/base/task_id.hpp"

#include <cstdint>
#include <vector>

namespace petavox {

class FinishedTasks {
 public:
  FinishedTasks() = default;
  /// The number of tasks of each step.
  explicit FinishedTasks(const std::vector<std::int64_t>& tasks_per_step);

  /// True if the plan has such a task: records come from files.
  bool known(TaskId task) const;
  /// True if the task was not done before. Expects a known task.
  bool insert(TaskId task);
  /// True if it was done. Expects a known task.
  bool erase(TaskId task);
  /// False for an unknown task.
  bool contains(TaskId task) const;
  /// Takes the bits of a step, 64 tasks a word, lowest first, of which none was done. False, and nothing
  /// changed, if they cannot be those of the step.
  bool adopt(std::int64_t step, std::vector<std::uint64_t> words);
  std::int64_t count(std::int64_t step) const { return counts_[static_cast<std::size_t>(step)]; }
  std::int64_t total() const { return total_; }

 private:
  std::vector<std::int64_t> sizes_, counts_;
  std::vector<std::vector<std::uint64_t>> bits_;
  std::int64_t total_ = 0;
};

}  // namespace petavox
