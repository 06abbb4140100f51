#pragma once
// A task graph of nothing but a grid: `steps` maps one after the other, each block of which reads the blocks
// round its own in the step before. Immutable.

#include "petavox/geometry/box.hpp"
#include "petavox/geometry/morton_order.hpp"
#include "petavox/schedule/task_graph.hpp"

namespace petavox::simulate {

class BlockChain final : public TaskGraph {
 public:
  /// `reach`: how many blocks away a task reads.
  BlockChain(Extent grid, int steps, Index reach);
  /// About `blocks` in a flat box, as a cortex is: exactly, if `blocks` can be cut so.
  static Extent grid_of(Index blocks);

  int num_steps() const override { return steps_; }
  Index num_tasks(int) const override { return grid_.voxels(); }
  void dependencies(TaskId task, TaskVisitor visit) const override { around(task, -1, visit); }
  void dependents(TaskId task, TaskVisitor visit) const override { around(task, 1, visit); }
  std::uint64_t locality(TaskId task) const override;
  Index in_order(int, Index k) const override;
  bool has_roots(int step) const override { return step == 0; }
  bool tiny(TaskId) const override { return false; }

 private:
  void around(TaskId task, int to_step, TaskVisitor visit) const;
  Coord position(Index index) const {
    return {index / (grid_.y * grid_.x), index / grid_.x % grid_.y, index % grid_.x};
  }
  Extent grid_;
  int steps_;
  Index reach_;
};

}  // namespace petavox::simulate
