#pragma once
// What the scheduler knows of a plan: tasks, what each waits for, and where in space it lies. A pure function
// of the plan: nothing is stored for a task.

#include "petavox/base/function_ref.hpp"
#include "petavox/base/task_id.hpp"
#include "petavox/geometry/coord.hpp"

#include <cstdint>

namespace petavox {

/// Called for one task after another until it returns false.
using TaskVisitor = FunctionRef<bool(TaskId)>;

/// Implementations are immutable; the scheduler calls them from one thread.
/// Dependencies may lie in any step, the task's own included (the nodes of a tree), but must be acyclic.
class TaskGraph {
 public:
  virtual ~TaskGraph() = default;
  /// Steps are numbered in the order of the chain; a later step is preferred when both could run.
  virtual int num_steps() const = 0;
  virtual Index num_tasks(int step) const = 0;

  /// The tasks whose results `task` reads, each once; none if it reads inputs only. Must stop when the
  /// visitor returns false. Fastest if the one that is usually done last comes first: for a box of blocks
  /// handed out in Morton order that is the last in raster order, so visit boxes backwards.
  virtual void dependencies(TaskId task, TaskVisitor visit) const = 0;
  /// The tasks that read the result of `task`, each once: the exact inverse of dependencies().
  virtual void dependents(TaskId task, TaskVisitor visit) const = 0;

  /// Where the task lies on one Morton curve common to all steps (of the low corner of its box, for example):
  /// tasks with near values share inputs.
  virtual std::uint64_t locality(TaskId task) const = 0;
  /// The index of the k-th task of the step in the order in which tasks without dependencies are handed out:
  /// a permutation of 0..num_tasks-1, best by locality (see morton_nth in petavox/geometry/morton_order.hpp).
  virtual Index in_order(int step, Index k) const = 0;
  /// May the step hold tasks without dependencies? `true` is always right; `false` spares the master a look
  /// at each of its tasks in a fresh run.
  virtual bool has_roots(int /*step*/) const { return true; }
  /// Probably so short that several should be sent together (tree nodes, table look-ups). A first guess: the
  /// scheduler learns what the tasks of a step take.
  virtual bool tiny(TaskId task) const = 0;
};

}  // namespace petavox
