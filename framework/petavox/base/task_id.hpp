#pragma once
// The name of a task: a step of the plan and the index of the task in it. The same in every launch of a run.

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace petavox {

struct TaskId {
  std::int64_t step{-1}, index{-1};
  friend constexpr auto operator<=>(const TaskId&, const TaskId&) = default;
};
static_assert(sizeof(TaskId) == 16, "stored in journals and messages as it is");

/// "step 3 task 17".
inline std::string to_string(TaskId id) {
  return "step " + std::to_string(id.step) + " task " + std::to_string(id.index);
}

}  // namespace petavox

template <>
struct std::hash<petavox::TaskId> {
  std::size_t operator()(petavox::TaskId id) const noexcept {
    const std::uint64_t h = static_cast<std::uint64_t>(id.step) * 0x9e3779b97f4a7c15ULL ^
                            static_cast<std::uint64_t>(id.index) * 0xc2b2ae3d27d4eb4fULL;
    return static_cast<std::size_t>(h ^ (h >> 29));
  }
};
