// The simulated cluster: it keeps books that add up, and behaves at its limits as arithmetic says.

#include "petavox/simulate/cluster.hpp"

#include "petavox/simulate/block_chain.hpp"
#include "petavox/simulate/two_levels.hpp"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

namespace petavox::simulate {
namespace {

Cluster free_of_cost(std::int64_t workers) {
  Cluster cluster;
  cluster.workers = workers;
  cluster.latency_s = cluster.master_message_s = cluster.master_task_s = cluster.master_scan_s = 0;
  cluster.commit_s = cluster.worker_task_s = 0;
  return cluster;
}

std::vector<TaskCost> costs(int steps, double mean_s, double log_sigma = 0, double bytes = 0) {
  return std::vector<TaskCost>(static_cast<std::size_t>(steps), {mean_s, log_sigma, bytes});
}

TEST(Simulate, WithoutCostsWorkersAreBusyAllTheTime) {
  const BlockChain graph{{4, 10, 10}, 1, 0};
  const Result result = run(graph, costs(1, 2), free_of_cost(8), {});
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.tasks, 400);
  EXPECT_EQ(result.executions, 400);
  EXPECT_DOUBLE_EQ(result.work_s, 800);
  EXPECT_DOUBLE_EQ(result.makespan_s, 100);
  EXPECT_DOUBLE_EQ(result.efficiency, 1);
}

TEST(Simulate, FewTasksAreSpreadOverAllWorkers) {
  const BlockChain graph{{1, 4, 4}, 3, 0};
  EXPECT_DOUBLE_EQ(run(graph, costs(3, 10), free_of_cost(16), {}).makespan_s, 30);
}

TEST(Simulate, TheSameSeedGivesTheSameRunAndAnotherOneAnother) {
  const BlockChain graph{{2, 8, 8}, 3, 1};
  Cluster cluster;
  cluster.workers = 13;
  cluster.straggler_share = 0.05;
  cluster.mtbf_worker_s = 500;
  Options options;
  const auto once = [&] { return run(graph, costs(3, 1, 0.8), cluster, options); };
  const Result first = once(), second = once();
  EXPECT_EQ(first.makespan_s, second.makespan_s);
  EXPECT_EQ(first.executions, second.executions);
  EXPECT_EQ(first.lost_s, second.lost_s);
  options.seed = 2;
  EXPECT_NE(first.makespan_s, once().makespan_s);
}

TEST(Simulate, AllTasksOfAChainWithHalosAreDoneOnce) {
  const BlockChain graph{{3, 7, 5}, 4, 1};
  const Result result = run(graph, costs(4, 0.1, 0.5), free_of_cost(1000), {});
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.tasks, 4 * 105);
  // No worker can be faster than the longest chain of mean tasks allows for by much.
  EXPECT_GT(result.makespan_s, 0.2);
}

TEST(Simulate, AMasterHandlesNoMoreThanItsTimeAllows) {
  const BlockChain graph{{1, 100, 200}, 1, 0};
  Cluster cluster = free_of_cost(500);
  cluster.master_task_s = 1e-3;
  const Result result = run(graph, costs(1, 1e-3), cluster, {});
  EXPECT_NEAR(result.makespan_s, 20, 0.5);  // 20,000 tasks of a millisecond of the master each
  EXPECT_GT(result.master_load, 0.95);
}

TEST(Simulate, AFileSystemGivesNoMoreThanItHas) {
  const BlockChain graph{{1, 20, 20}, 1, 0};
  Cluster cluster = free_of_cost(50);  // none waits so long that its task is run twice
  cluster.file_system_bytes_s = 1e6;
  const Result result = run(graph, costs(1, 0.01, 0, 1e5), cluster, {});
  EXPECT_NEAR(result.makespan_s, 40, 1);  // 400 tasks of 100 kB at 1 MB/s
}

TEST(Simulate, DeathsCostTimeAndLoseNoTask) {
  const BlockChain graph{{1, 30, 30}, 2, 1};
  Cluster cluster = free_of_cost(10);
  cluster.mtbf_worker_s = 300;
  cluster.restart_s = 5;
  const Result result = run(graph, costs(2, 1), cluster, {});
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.tasks, 1800);
  EXPECT_GT(result.deaths, 0);
  EXPECT_GE(result.lost_s, 5.0 * 10 * static_cast<double>(result.deaths) - 50);
  EXPECT_GT(result.makespan_s, 180 + 5.0 * static_cast<double>(result.deaths - 1));
  EXPECT_GT(result.executions, 1800);
}

TEST(Simulate, DrawsHaveTheMeanThatWasAskedFor) {
  const TaskCost cost{3, 0.7, 0};
  const Cluster cluster;
  double sum = 0, squares = 0;
  constexpr int n = 20'000;
  for (int i = 0; i < n; ++i) {
    const double x = draw_seconds(cost, cluster, 5, {0, i}, 1);
    sum += x;
    squares += std::log(x) * std::log(x);
  }
  EXPECT_NEAR(sum / n, 3, 0.08);
  const double mean_log = std::log(3.0) - 0.7 * 0.7 / 2;
  EXPECT_NEAR(std::sqrt(squares / n - mean_log * mean_log), 0.7, 0.02);
}

TEST(Simulate, ShortTasksAreUselessBelowTheOverheadOfAWorker) {
  Cluster cluster = free_of_cost(4);
  cluster.worker_task_s = 50e-6;
  const double shortest = minimum_effective_seconds(cluster, {});
  EXPECT_GE(shortest, 49e-6);
  EXPECT_LE(shortest, 120e-6);  // batches of 64 do not divide the tasks evenly
}

TEST(TwoLevels, OneMasterIsTheClusterItself) {
  const Volume volume{240, 1, costs(2, 1, 0.5)};
  Cluster cluster;
  cluster.workers = 7;
  const Result one = run(volume, cluster, {}, {});
  const Result plain = run(BlockChain{BlockChain::grid_of(240), 2, 1}, volume.costs, cluster, {});
  EXPECT_EQ(one.makespan_s, plain.makespan_s);
  EXPECT_EQ(one.executions, plain.executions);
  EXPECT_DOUBLE_EQ(one.efficiency, plain.efficiency);
  EXPECT_NEAR(one.tail_idle_tasks, plain.tail_idle_tasks, 1e-9);
}

TEST(TwoLevels, MastersShareTheWorkAndWhatOneCannotHandOut) {
  const Volume volume{2400, 0, costs(1, 1e-3)};
  Cluster cluster = free_of_cost(500);
  cluster.master_task_s = 1e-3;
  const Result one = run(volume, cluster, {}, {});
  const Result ten = run(volume, cluster, {}, {.masters = 10, .simulated = 10});
  EXPECT_TRUE(ten.finished);
  EXPECT_EQ(ten.tasks, 2400);
  EXPECT_EQ(ten.executions, 2400);
  EXPECT_NEAR(one.makespan_s, 2.4, 0.1);
  EXPECT_NEAR(ten.makespan_s, 0.24, 0.05);
  EXPECT_NEAR(ten.work_s, 2.4, 1e-9);
}

TEST(TwoLevels, TheEndWaitsForTheJoinsLevelByLevel) {
  const Volume volume{1600, 0, costs(1, 2)};
  const Cluster cluster = free_of_cost(200);
  // 100 groups of 16 tasks on two workers; then 13 joins, 2 of these, and the last: three levels.
  const Result result = run(volume, cluster, {}, {.masters = 100, .join_s = 3});
  EXPECT_DOUBLE_EQ(result.makespan_s, 16 + 3 * 3);
  EXPECT_EQ(result.tasks, 1600 + 16);
  EXPECT_DOUBLE_EQ(result.work_s, 3200 + 16 * 3);
  EXPECT_DOUBLE_EQ(result.efficiency, result.work_s / (200 * 25));
  EXPECT_NEAR(result.tail_idle_tasks, 9.0 / 2, 1e-9);
}

TEST(TwoLevels, TheSlowestGroupEndsTheRun) {
  const Volume volume{400, 0, costs(1, 1, 1.0)};
  const Cluster cluster = free_of_cost(8);
  const Result all = run(volume, cluster, {}, {.masters = 4, .simulated = 4});
  Options options;
  double slowest = 0;
  for (options.seed = 1; options.seed <= 4; ++options.seed)
    slowest = std::max(
        slowest,
        run(BlockChain{BlockChain::grid_of(100), 1, 0}, volume.costs, free_of_cost(2), options).makespan_s);
  EXPECT_EQ(all.makespan_s, slowest);
}

TEST(BlockChain, DependentsAreTheInverseOfDependencies) {
  const BlockChain graph{{2, 3, 4}, 3, 1};
  for (int step = 0; step < 3; ++step)
    for (Index i = 0; i < graph.num_tasks(step); ++i) {
      const TaskId task{step, i};
      graph.dependencies(task, [&](TaskId on) {
        bool back = false;
        graph.dependents(on, [&](TaskId reader) {
          back = back || reader == task;
          return !back;
        });
        EXPECT_TRUE(back);
        return true;
      });
    }
  std::set<Index> order;
  for (Index k = 0; k < 24; ++k) order.insert(graph.in_order(0, k));
  EXPECT_EQ(order.size(), 24U);
}

TEST(BlockChain, GridsHoldAboutTheBlocksAskedFor) {
  for (const Index blocks : {1, 7, 1000, 100'000, 10'400'000})
    EXPECT_NEAR(static_cast<double>(BlockChain::grid_of(blocks).voxels()), static_cast<double>(blocks),
                0.01 * static_cast<double>(blocks) + 1);
}

}  // namespace
}  // namespace petavox::simulate
