#pragma once
// Task graphs for the tests and benchmarks of the scheduler.

#include "petavox/geometry/merge_tree.hpp"
#include "petavox/schedule/task_graph.hpp"

#include <vector>

namespace petavox::testing {

/// A chain of map steps, each over a tiling of its own; a block reads the blocks of the step before that its
/// padded core touches. Optionally a reduction after it: up (leaves read the last map), down (inner nodes)
/// and resolve (one a leaf).
class ChainGraph final : public TaskGraph {
 public:
  struct MapStep {
    Extent block_shape;
    Halo halo;
  };
  ChainGraph(const Box& domain, const std::vector<MapStep>& maps, bool with_tree);

  int num_steps() const override { return static_cast<int>(tilings_.size()) + (with_tree_ ? 3 : 0); }
  Index num_tasks(int step) const override;
  void dependencies(TaskId task, TaskVisitor visit) const override;
  void dependents(TaskId task, TaskVisitor visit) const override;
  std::uint64_t locality(TaskId task) const override;
  Index in_order(int step, Index k) const override;
  bool has_roots(int step) const override { return step == 0; }
  bool tiny(TaskId task) const override { return task.step >= up(); }

  int up() const { return static_cast<int>(tilings_.size()); }
  const Tiling& tiling(int step) const { return tilings_[static_cast<std::size_t>(step)]; }
  const MergeTree& tree() const { return tree_; }

 private:
  const Tiling& last() const { return tilings_.back(); }
  std::vector<Tiling> tilings_;
  std::vector<Halo> halos_;
  bool with_tree_;
  MergeTree tree_;
};

/// Any graph, from lists: reads[step][index] are the tasks that a task reads.
class ListGraph final : public TaskGraph {
 public:
  using Reads = std::vector<std::vector<std::vector<TaskId>>>;
  explicit ListGraph(Reads reads, std::vector<bool> tiny_steps = {});

  int num_steps() const override { return static_cast<int>(reads_.size()); }
  Index num_tasks(int step) const override {
    return static_cast<Index>(reads_[static_cast<std::size_t>(step)].size());
  }
  void dependencies(TaskId task, TaskVisitor visit) const override { pass(reads_, task, visit); }
  void dependents(TaskId task, TaskVisitor visit) const override { pass(readers_, task, visit); }
  std::uint64_t locality(TaskId task) const override { return static_cast<std::uint64_t>(task.index); }
  Index in_order(int, Index k) const override { return k; }
  bool has_roots(int step) const override { return roots_[static_cast<std::size_t>(step)]; }
  bool tiny(TaskId task) const override {
    return !tiny_.empty() && tiny_[static_cast<std::size_t>(task.step)];
  }

 private:
  static void pass(const Reads& lists, TaskId task, TaskVisitor visit) {
    for (const TaskId& other :
         lists[static_cast<std::size_t>(task.step)][static_cast<std::size_t>(task.index)])
      if (!visit(other)) return;
  }
  Reads reads_, readers_;
  std::vector<bool> tiny_, roots_;
};

/// A random graph of up to max_steps steps: tasks read earlier steps, or lower indices of their own.
ListGraph random_graph(std::uint64_t seed, int max_steps, int max_tasks);

}  // namespace petavox::testing
