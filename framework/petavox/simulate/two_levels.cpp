#include "petavox/simulate/two_levels.hpp"

#include "petavox/base/check.hpp"
#include "petavox/simulate/block_chain.hpp"

#include <algorithm>

namespace petavox::simulate {
namespace {

/// Joins of join_fan_in groups each, joins of these, and so on until one is left: a step for each level.
class JoinTree final : public TaskGraph {
 public:
  explicit JoinTree(Index groups) {
    for (Index n = groups; n > 1;) widths_.push_back(n = (n + join_fan_in - 1) / join_fan_in);
  }
  int num_steps() const override { return static_cast<int>(widths_.size()); }
  Index num_tasks(int step) const override { return widths_[static_cast<std::size_t>(step)]; }
  void dependencies(TaskId task, TaskVisitor visit) const override {
    if (task.step == 0) return;
    const int below = static_cast<int>(task.step) - 1;
    const Index end = std::min(num_tasks(below), (task.index + 1) * join_fan_in);
    for (Index i = end; i-- > task.index * join_fan_in;)
      if (!visit({below, i})) return;
  }
  void dependents(TaskId task, TaskVisitor visit) const override {
    const int above = static_cast<int>(task.step) + 1;
    if (above < num_steps()) visit({above, task.index / join_fan_in});
  }
  std::uint64_t locality(TaskId task) const override { return static_cast<std::uint64_t>(task.index); }
  Index in_order(int, Index k) const override { return k; }
  bool has_roots(int step) const override { return step == 0; }
  bool tiny(TaskId) const override { return false; }

 private:
  std::vector<Index> widths_;
};

Result join(const TwoLevels& levels, Cluster cluster, const Options& options) {
  if (levels.masters == 1 || !(levels.join_s > 0)) return Result{.finished = true};
  const JoinTree tree{levels.masters};
  cluster.workers = levels.masters;
  return run(tree, std::vector<TaskCost>(static_cast<std::size_t>(tree.num_steps()), {levels.join_s, 0, 0}),
             cluster, options);
}

}  // namespace

Result run(const Volume& volume, const Cluster& cluster, const Options& options, const TwoLevels& levels) {
  PETAVOX_ASSERT(levels.masters >= 1 && levels.simulated >= 1 && levels.masters <= cluster.workers &&
                 levels.masters <= volume.blocks);
  const BlockChain graph{BlockChain::grid_of(volume.blocks / levels.masters),
                         static_cast<int>(volume.costs.size()), volume.reach};
  Cluster share = cluster;
  share.workers /= levels.masters;
  share.file_system_bytes_s /= levels.masters;
  const int tried = std::min(levels.masters, levels.simulated);
  std::vector<Result> groups;
  for (int i = 0; i < tried; ++i) {
    Options its = options;
    its.seed += static_cast<std::uint64_t>(i);
    groups.push_back(run(graph, volume.costs, share, its));
  }
  const Result top = join(levels, cluster, options);

  Result sum = top;
  sum.master_load = 0;
  const double last = std::max_element(groups.begin(), groups.end(), [](const Result& a, const Result& b) {
                        return a.makespan_s < b.makespan_s;
                      })->makespan_s;
  const double alike = static_cast<double>(levels.masters) / tried;
  double work = 0, tail_s = 0;
  Index tasks = 0, executions = 0, deaths = 0;
  for (const Result& one : groups) {
    work += one.work_s;
    tasks += one.tasks;
    executions += one.executions;
    deaths += one.deaths;
    const double mean = one.tasks > 0 ? one.work_s / static_cast<double>(one.tasks) : 0;
    tail_s += (one.tail_idle_tasks * mean + last - one.makespan_s + top.makespan_s) / tried;
    sum.lost_s += one.lost_s * alike;
    sum.duplicate_s += one.duplicate_s * alike;
    sum.master_load = std::max(sum.master_load, one.master_load);
    sum.scheduler_bytes = std::max(sum.scheduler_bytes, one.scheduler_bytes);
    sum.finished = sum.finished && one.finished;
  }
  const auto scaled = [&](Index n) { return n * levels.masters / tried; };
  sum.tasks += scaled(tasks);
  sum.executions += scaled(executions);
  sum.deaths += scaled(deaths);
  sum.work_s += work * alike;
  sum.makespan_s += last;
  sum.tail_idle_tasks = work > 0 ? tail_s * static_cast<double>(tasks) / work : 0;
  const double workers = static_cast<double>(share.workers) * levels.masters;
  sum.efficiency = sum.makespan_s > 0 ? sum.work_s / (workers * sum.makespan_s) : 0;
  return sum;
}

}  // namespace petavox::simulate
