// The promises of the scheduler under random graphs, workers and misfortune: see simulation.hpp.

#include "unit/schedule/graphs.hpp"
#include "unit/schedule/simulation.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::ChainGraph;
using testing::random_graph;
using testing::Simulation;
using testing::SimulationOptions;

struct Weather {
  const char* name;
  SimulationOptions options;
};

std::vector<Weather> weathers() {
  std::vector<Weather> all;
  all.push_back({"calm", {}});
  all.push_back({"alone", {.workers = 1}});
  all.push_back({"crowd", {.workers = 40}});
  all.push_back({"failures", {.workers = 4, .fail = 0.2, .fail_hard = 0.05}});
  all.push_back({"failures alone", {.workers = 1, .fail = 0.4}});
  all.push_back({"deaths", {.workers = 4, .die = 0.2, .zombie = 0.3}});
  all.push_back({"blamed deaths", {.workers = 3, .die = 0.3, .blame = 0.7, .zombie = 0.3}});
  all.push_back({"damage", {.workers = 3, .release = 0.1, .invalidate = 0.1}});
  all.push_back({"everything",
                 {.workers = 5,
                  .fail = 0.1,
                  .fail_hard = 0.1,
                  .die = 0.1,
                  .blame = 0.5,
                  .zombie = 0.5,
                  .release = 0.1,
                  .invalidate = 0.05}});
  return all;
}

TEST(SchedulerProperties, random_graphs_in_every_weather) {
  for (const auto& weather : weathers())
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
      const auto graph = random_graph(seed, 6, 30);
      SimulationOptions options = weather.options;
      options.scheduler.prefetch = 1 + static_cast<int>(seed % 3);
      options.scheduler.batch = 1 + static_cast<int>(seed % 5);
      options.scheduler.run_length = 1 + static_cast<int>(seed % 7);
      options.scheduler.max_attempts = 1 + static_cast<int>(seed % 4);
      options.scheduler.straggler_age = std::chrono::seconds{seed % 2 == 0 ? 0 : 20};
      options.scheduler.copies = 2 + static_cast<int>(seed % 3);
      Simulation simulation{graph, options, seed};
      ASSERT_EQ(simulation.run(), "") << weather.name << ", seed " << seed;
    }
}

TEST(SchedulerProperties, chains_with_halos_and_a_tree_in_every_weather) {
  for (const auto& weather : weathers())
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const ChainGraph graph{Box{{-3, 0, 5}, {8, 9, 17}},
                             {{{4, 4, 4}, {}},
                              {{4, 4, 4}, Halo::uniform(1)},
                              {{5, 3, 6}, Halo::lower(1)},
                              {{4, 4, 4}, Halo::symmetric({0, 5, 1})}},
                             true};
      Simulation simulation{graph, weather.options, seed};
      ASSERT_EQ(simulation.run(), "") << weather.name << ", seed " << seed;
    }
}

TEST(SchedulerProperties, without_misfortune_every_task_runs_once) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto graph = random_graph(seed, 6, 40);
    SimulationOptions options;
    options.workers = 1 + static_cast<int>(seed % 9);
    options.scheduler.straggler_age = std::chrono::hours{1};
    Simulation simulation{graph, options, seed};
    ASSERT_EQ(simulation.run(), "");
    for (const auto& [task, count] : simulation.executions()) EXPECT_EQ(count, 1) << to_string(task);
    EXPECT_EQ(static_cast<Index>(simulation.executions().size()), simulation.scheduler().counts().total);
  }
}

TEST(SchedulerProperties, resumed_from_any_state_it_ends_and_runs_nothing_again) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto graph = random_graph(seed, 6, 30);
    SimulationOptions options;
    options.scheduler.straggler_age = std::chrono::hours{1};
    Simulation first{graph, options, seed};
    ASSERT_EQ(first.run(), "");
    const auto& log = first.handed_out();
    const std::size_t cut = seed % (log.size() + 1);
    Simulation second{graph, options, seed + 1};
    for (std::size_t i = 0; i < cut; ++i) second.restore_done(log[i].task);
    ASSERT_EQ(second.run(), "") << "seed " << seed;
    EXPECT_EQ(second.handed_out().size(), log.size() - cut) << "seed " << seed;
  }
}

// A repair leaves results without their inputs: any set of tasks may be done, not only closed ones.
TEST(SchedulerProperties, resumed_from_a_state_with_holes) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto graph = random_graph(seed, 6, 30);
    Simulation simulation{graph, {}, seed};
    std::mt19937_64 random{seed};
    for (int s = 0; s < graph.num_steps(); ++s)
      for (Index i = 0; i < graph.num_tasks(s); ++i)
        if (random() % 2 == 0) simulation.restore_done({s, i});
    ASSERT_EQ(simulation.run(), "") << "seed " << seed;
  }
}

TEST(SchedulerProperties, poison_is_quarantined_and_everything_else_ends) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const auto graph = random_graph(seed, 6, 30);
    SimulationOptions options;
    options.workers = 1 + static_cast<int>(seed % 4);
    options.poison = {{0, 0}};
    options.scheduler.straggler_age = std::chrono::hours{1};
    Simulation simulation{graph, options, seed};
    ASSERT_EQ(simulation.run(), "") << "seed " << seed;
    EXPECT_EQ(simulation.scheduler().state({0, 0}), TaskState::quarantined);
    EXPECT_EQ(simulation.executions().at({0, 0}), options.scheduler.max_attempts);
  }
}

TEST(SchedulerProperties, the_same_calls_give_the_same_answers) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto graph = random_graph(seed, 6, 40);
    const SimulationOptions options{.workers = 4, .fail = 0.1, .die = 0.1, .zombie = 0.2, .invalidate = 0.05};
    Simulation one{graph, options, seed}, two{graph, options, seed};
    EXPECT_EQ(one.run(), "");
    EXPECT_EQ(two.run(), "");
    EXPECT_EQ(one.handed_out(), two.handed_out());
  }
}

// The simulation must be able to fail: a graph that lies about its dependents.
class Liar final : public TaskGraph {
 public:
  int num_steps() const override { return 2; }
  Index num_tasks(int) const override { return 4; }
  void dependencies(TaskId task, TaskVisitor visit) const override {
    if (task.step == 1) visit({0, task.index});
  }
  void dependents(TaskId, TaskVisitor) const override {}
  std::uint64_t locality(TaskId task) const override { return static_cast<std::uint64_t>(task.index); }
  Index in_order(int, Index k) const override { return k; }
  bool has_roots(int step) const override { return step == 0; }
  bool tiny(TaskId) const override { return false; }
};

TEST(SchedulerProperties, the_simulation_sees_a_lost_task) {
  const Liar graph;
  Simulation simulation{graph, {}, 1};
  EXPECT_NE(simulation.run(), "");
}

}  // namespace
}  // namespace petavox
