#include "petavox/io/finished_tasks.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"

#include <bit>

namespace petavox {

FinishedTasks::FinishedTasks(const std::vector<std::int64_t>& tasks_per_step)
    : sizes_{tasks_per_step}, counts_(tasks_per_step.size(), 0), bits_(tasks_per_step.size()) {
  for (const std::int64_t n : sizes_) PETAVOX_ASSERT(n >= 0);
}

bool FinishedTasks::known(TaskId task) const {
  return task.step >= 0 && usize(task.step) < sizes_.size() && task.index >= 0 &&
         task.index < sizes_[usize(task.step)];
}

bool FinishedTasks::insert(TaskId task) {
  PETAVOX_ASSERT(known(task));
  auto& bits = bits_[usize(task.step)];
  // Made whole at the first task of a step, so that steps that have not begun cost nothing.
  if (bits.empty()) bits.assign(usize((sizes_[usize(task.step)] + 63) / 64), 0);
  std::uint64_t& word = bits[usize(task.index / 64)];
  const std::uint64_t bit = std::uint64_t{1} << (task.index % 64);
  if ((word & bit) != 0) return false;
  word |= bit;
  ++counts_[usize(task.step)];
  ++total_;
  return true;
}

bool FinishedTasks::erase(TaskId task) {
  if (!contains(task)) return false;
  bits_[usize(task.step)][usize(task.index / 64)] &= ~(std::uint64_t{1} << (task.index % 64));
  --counts_[usize(task.step)];
  --total_;
  return true;
}

bool FinishedTasks::contains(TaskId task) const {
  if (!known(task)) return false;
  const auto& bits = bits_[usize(task.step)];
  return !bits.empty() && (bits[usize(task.index / 64)] >> (task.index % 64) & 1) != 0;
}

bool FinishedTasks::adopt(std::int64_t step, std::vector<std::uint64_t> words) {
  const std::int64_t size = sizes_[usize(step)];
  PETAVOX_ASSERT(counts_[usize(step)] == 0);
  if (words.size() != usize((size + 63) / 64)) return false;
  if (size % 64 != 0 && words.back() >> (size % 64) != 0) return false;
  std::int64_t count = 0;
  for (const std::uint64_t word : words) count += std::popcount(word);
  counts_[usize(step)] = count;
  total_ += count;
  bits_[usize(step)] = std::move(words);
  return true;
}

}  // namespace petavox
