#pragma once
// The plan's graph with its tasks in another order: shows that no result depends on the schedule.

#include "petavox/base/hash.hpp"
#include "petavox/base/uint128.hpp"
#include "petavox/schedule/task_graph.hpp"

#include <numeric>

namespace petavox {

class ShuffledGraph final : public TaskGraph {
 public:
  /// Seed 0 leaves the order as it is. The graph must outlive this one.
  ShuffledGraph(const TaskGraph& graph, std::uint64_t seed) : graph_{graph}, seed_{seed} {}

  int num_steps() const override { return graph_.num_steps(); }
  Index num_tasks(int step) const override { return graph_.num_tasks(step); }
  void dependencies(TaskId task, TaskVisitor visit) const override { graph_.dependencies(task, visit); }
  void dependents(TaskId task, TaskVisitor visit) const override { graph_.dependents(task, visit); }
  bool has_roots(int step) const override { return graph_.has_roots(step); }
  bool tiny(TaskId task) const override { return graph_.tiny(task); }

  std::uint64_t locality(TaskId task) const override {
    const std::uint64_t place = graph_.locality(task);
    return seed_ == 0 ? place : mix64(place ^ mix64(seed_));
  }
  /// A walk round the tasks with a stride that is prime to their number.
  Index in_order(int step, Index k) const override {
    const Index n = num_tasks(step);
    if (seed_ == 0 || n < 3) return graph_.in_order(step, k);
    Index stride =
        static_cast<Index>(mix64(seed_ + static_cast<std::uint64_t>(step)) % static_cast<std::uint64_t>(n));
    while (stride < 1 || std::gcd(stride, n) != 1) stride = stride % n + 1;
    const uint128 wide = static_cast<uint128>(k) * static_cast<uint128>(stride);
    return graph_.in_order(step, static_cast<Index>(wide % static_cast<uint128>(n)));
  }

 private:
  const TaskGraph& graph_;
  std::uint64_t seed_;
};

}  // namespace petavox
