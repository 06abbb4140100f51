// The order of work when nothing goes wrong.

#include "petavox/schedule/scheduler.hpp"

#include "petavox/base/error.hpp"

#include "unit/schedule/graphs.hpp"

#include <map>
#include <set>
#include <utility>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::ChainGraph;
using testing::ListGraph;

const WorkerId alice{1}, bob{2}, carol{3};
constexpr Instant now{0};

std::vector<TaskId> tasks_of(const std::vector<Assignment>& given) {
  std::vector<TaskId> tasks;
  for (const Assignment& a : given) tasks.push_back(a.task);
  return tasks;
}

// n tasks that wait for nothing.
ListGraph loose(std::size_t n, bool tiny = false) {
  return ListGraph{{std::vector<std::vector<TaskId>>(n)}, {tiny}};
}

TEST(Scheduler, an_empty_plan_is_finished) {
  const ListGraph none{{}};
  Scheduler scheduler{none};
  EXPECT_TRUE(scheduler.finished());
  const ListGraph empty_steps{{{}, {}}};
  Scheduler other{empty_steps};
  other.add_worker(alice);
  EXPECT_TRUE(other.next(alice, now).empty());
  EXPECT_TRUE(other.finished());
  EXPECT_FALSE(other.stalled());
}

TEST(Scheduler, hands_out_prefetch_tasks_along_the_order) {
  const auto graph = loose(5);
  Scheduler scheduler{graph, {.prefetch = 2}};
  scheduler.add_worker(alice);
  EXPECT_EQ(tasks_of(scheduler.next(alice, now)), (std::vector<TaskId>{{0, 0}, {0, 1}}));
  EXPECT_TRUE(scheduler.next(alice, now).empty());
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::accepted);
  EXPECT_EQ(tasks_of(scheduler.next(alice, now)), (std::vector<TaskId>{{0, 2}}));
  EXPECT_EQ(scheduler.counts(0), (StepCounts{.total = 5, .running = 2, .done = 1}));
  EXPECT_EQ(scheduler.state({0, 0}), TaskState::done);
  EXPECT_EQ(scheduler.state({0, 1}), TaskState::running);
  EXPECT_EQ(scheduler.state({0, 4}), TaskState::pending);
  EXPECT_FALSE(scheduler.idle());
}

TEST(Scheduler, workers_take_runs_of_neighbours) {
  const auto graph = loose(16);
  Scheduler scheduler{graph, {.prefetch = 1, .run_length = 4}};
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  std::map<WorkerId, std::vector<Index>> got;
  for (int round = 0; round < 4; ++round)
    for (const WorkerId w : {alice, bob}) {
      const auto given = scheduler.next(w, now);
      ASSERT_EQ(given.size(), 1U);
      got[w].push_back(given[0].task.index);
      scheduler.succeeded(w, given[0].task, 1);
    }
  EXPECT_EQ(got[alice], (std::vector<Index>{0, 1, 2, 3}));
  EXPECT_EQ(got[bob], (std::vector<Index>{4, 5, 6, 7}));
}

TEST(Scheduler, an_idle_worker_takes_from_the_run_of_a_busy_one) {
  const auto graph = loose(8);
  Scheduler scheduler{graph, {.prefetch = 1, .run_length = 8}};
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  EXPECT_EQ(tasks_of(scheduler.next(alice, now)), (std::vector<TaskId>{{0, 0}}));
  EXPECT_EQ(tasks_of(scheduler.next(bob, now)), (std::vector<TaskId>{{0, 4}}));  // the end half of 1..7
}

TEST(Scheduler, a_worker_that_goes_leaves_its_run_behind) {
  const auto graph = loose(4);
  Scheduler scheduler{graph, {.prefetch = 1, .run_length = 4}};
  scheduler.add_worker(alice);
  scheduler.next(alice, now);
  scheduler.remove_worker(alice);
  scheduler.add_worker(bob);
  std::set<Index> seen;
  for (int i = 0; i < 4; ++i) {
    const auto given = scheduler.next(bob, now);
    ASSERT_EQ(given.size(), 1U);
    seen.insert(given[0].task.index);
    scheduler.succeeded(bob, given[0].task, given[0].attempt);
  }
  EXPECT_EQ(seen.size(), 4U);
  EXPECT_TRUE(scheduler.finished());
}

TEST(Scheduler, later_steps_come_first) {
  // 1:0 reads 0:0; as soon as it can run it goes before the rest of step 0.
  const ListGraph graph{{{{}, {}, {}, {}}, {{{0, 0}}, {{0, 1}}, {{0, 2}}, {{0, 3}}}}};
  Scheduler scheduler{graph, {.prefetch = 1}};
  scheduler.add_worker(alice);
  std::vector<TaskId> order;
  while (!scheduler.finished()) {
    const auto given = scheduler.next(alice, now);
    ASSERT_EQ(given.size(), 1U);
    order.push_back(given[0].task);
    scheduler.succeeded(alice, given[0].task, 1);
  }
  EXPECT_EQ(order, (std::vector<TaskId>{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}}));
}

TEST(Scheduler, ready_tasks_go_to_the_worker_that_was_near) {
  // All of step 1 becomes ready at once when 0:0 is done; bob has last worked at 7, alice at 0.
  ListGraph::Reads reads{std::vector<std::vector<TaskId>>(8), std::vector<std::vector<TaskId>>(8, {{0, 0}})};
  const ListGraph graph{reads};
  Scheduler scheduler{graph, {.prefetch = 1, .run_length = 7}};
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  EXPECT_EQ(tasks_of(scheduler.next(alice, now)), (std::vector<TaskId>{{0, 0}}));
  EXPECT_EQ(tasks_of(scheduler.next(bob, now)), (std::vector<TaskId>{{0, 7}}));
  scheduler.succeeded(alice, {0, 0}, 1);
  scheduler.succeeded(bob, {0, 7}, 1);
  EXPECT_EQ(tasks_of(scheduler.next(bob, now)), (std::vector<TaskId>{{1, 7}}));
  EXPECT_EQ(tasks_of(scheduler.next(alice, now)), (std::vector<TaskId>{{1, 0}}));
}

TEST(Scheduler, no_barrier_between_steps) {
  const ChainGraph graph{
      Box{{}, {8, 8, 8}}, {{Extent::cube(1), {}}, {Extent::cube(1), Halo::uniform(1)}}, false};
  Scheduler scheduler{graph};
  scheduler.add_worker(alice);
  Index first_of_step_one = -1, handed = 0;
  while (!scheduler.finished()) {
    for (const auto& a : scheduler.next(alice, now)) {
      if (a.task.step == 1 && first_of_step_one < 0) first_of_step_one = handed;
      ++handed;
      scheduler.succeeded(alice, a.task, a.attempt);
    }
  }
  EXPECT_GT(first_of_step_one, 0);
  EXPECT_LT(first_of_step_one, 32);  // the corner's 2x2x2 neighbours, not all 512
  EXPECT_EQ(handed, 1024);
}

TEST(Scheduler, depth_first_keeps_few_intermediates) {
  const ChainGraph graph{Box{{}, {16, 16, 16}},
                         {{Extent::cube(1), {}}, {Extent::cube(1), Halo::uniform(1)}, {Extent::cube(1), {}}},
                         false};
  Scheduler scheduler{graph};
  for (const WorkerId w : {alice, bob, carol}) scheduler.add_worker(w);
  Index most_waiting = 0;
  while (!scheduler.finished()) {
    for (const WorkerId w : scheduler.hungry())
      for (const auto& a : scheduler.next(w, now)) scheduler.succeeded(w, a.task, a.attempt);
    most_waiting = std::max(most_waiting, scheduler.counts(0).done - scheduler.counts(2).done);
  }
  EXPECT_LT(most_waiting, 4096 / 2);  // a surface, never nearly the whole volume
}

TEST(Scheduler, tiny_tasks_come_in_batches_that_shrink_towards_the_end) {
  ListGraph::Reads reads{{{}}, std::vector<std::vector<TaskId>>(100, {{0, 0}})};
  const ListGraph graph{reads, {false, true}};
  Scheduler scheduler{graph, {.prefetch = 2, .batch = 32}};
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  scheduler.next(alice, now);
  scheduler.succeeded(alice, {0, 0}, 1);
  std::vector<std::size_t> sizes;
  while (!scheduler.finished())
    for (const WorkerId w : scheduler.hungry()) {
      const auto given = scheduler.next(w, now);
      if (!given.empty()) sizes.push_back(given.size());
      for (const auto& a : given) scheduler.succeeded(w, a.task, a.attempt);
    }
  ASSERT_GT(sizes.size(), 3U);
  EXPECT_GT(sizes.front(), 20U);
  EXPECT_LE(sizes.front(), 64U);
  EXPECT_LE(sizes.back(), 2U);
}

TEST(Scheduler, what_tasks_take_decides_which_come_in_batches) {
  using namespace std::chrono_literals;
  // The first guess is wrong for both: step 0 is said to be long, step 1 to be short.
  const ListGraph graph{{std::vector<std::vector<TaskId>>(100), std::vector<std::vector<TaskId>>(100)},
                        {false, true}};
  Scheduler scheduler{graph, {.prefetch = 2, .batch = 8}};
  scheduler.add_worker(alice);
  const auto round = [&](std::chrono::nanoseconds of_first, std::chrono::nanoseconds of_second) {
    const auto given = scheduler.next(alice, now);
    for (const auto& a : given) {
      scheduler.succeeded(alice, a.task, a.attempt);
      scheduler.took(static_cast<int>(a.task.step), a.task.step == 0 ? of_first : of_second);
    }
    return given;
  };
  EXPECT_EQ(round(5us, 20ms).size(), 16U) << "step 1, taken for short";
  EXPECT_EQ(round(5us, 20ms).size(), 2U) << "and known to be long after 16 tasks";
  while (scheduler.counts(1).done < 100) round(5us, 20ms);
  while (scheduler.counts(0).done < 16) EXPECT_LE(round(5us, 20ms).size(), 2U);
  EXPECT_EQ(round(5us, 20ms).size(), 16U) << "step 0 is known to be short";
  // One long task among short ones counts at once.
  scheduler.took(0, 1s);
  EXPECT_EQ(round(5us, 20ms).size(), 2U);
}

TEST(Scheduler, the_last_ready_tasks_are_left_to_idle_workers) {
  // alice holds a task; one more is ready, and bob holds nothing.
  const ListGraph graph{{{{}, {}}, {{{0, 0}}}}};
  Scheduler scheduler{graph, {.prefetch = 2}};
  scheduler.add_worker(alice);
  ASSERT_EQ(scheduler.next(alice, now).size(), 2U);
  scheduler.add_worker(bob);
  EXPECT_TRUE(scheduler.next(bob, now).empty());
  scheduler.succeeded(alice, {0, 0}, 1);
  EXPECT_TRUE(scheduler.next(alice, now).empty());
  EXPECT_EQ(scheduler.hungry(), (std::vector<WorkerId>{bob, alice}));
  EXPECT_EQ(tasks_of(scheduler.next(bob, now)), (std::vector<TaskId>{{1, 0}}));
}

TEST(Scheduler, more_workers_than_tasks) {
  const auto graph = loose(2);
  Scheduler scheduler{graph};
  for (int w = 0; w < 7; ++w) scheduler.add_worker(WorkerId{w});
  std::map<TaskId, WorkerId> holder;
  for (const WorkerId w : scheduler.hungry())
    for (const auto& a : scheduler.next(w, now)) EXPECT_TRUE(holder.emplace(a.task, w).second);
  EXPECT_EQ(holder.size(), 2U);
  for (const auto& [task, w] : holder) EXPECT_EQ(scheduler.succeeded(w, task, 1), Acceptance::accepted);
  EXPECT_TRUE(scheduler.finished());
  EXPECT_TRUE(scheduler.idle());
}

TEST(Scheduler, resumes_where_it_was) {
  const ChainGraph graph{
      Box{{}, {4, 4, 4}}, {{Extent::cube(1), {}}, {Extent::cube(1), Halo::uniform(1)}}, true};
  std::set<TaskId> done;
  {
    Scheduler first{graph};
    first.add_worker(alice);
    while (done.size() < 70)
      for (const auto& a : first.next(alice, now)) {
        first.succeeded(alice, a.task, a.attempt);
        done.insert(a.task);
      }
  }
  Scheduler second{graph};
  for (const TaskId& task : done) second.restore(task, TaskState::done);
  second.add_worker(alice);
  bool first_call = true;
  while (!second.finished()) {
    const auto given = second.next(alice, now);
    ASSERT_FALSE(given.empty());
    if (std::exchange(first_call, false)) {
      EXPECT_GT(given[0].task.step, 0);  // what was ready in the later step
    }
    for (const auto& a : given) {
      EXPECT_TRUE(done.insert(a.task).second) << to_string(a.task) << " ran twice";
      graph.dependencies(a.task, [&](TaskId on) {
        EXPECT_TRUE(done.contains(on));
        return true;
      });
      second.succeeded(alice, a.task, a.attempt);
    }
  }
  EXPECT_EQ(static_cast<Index>(done.size()), second.counts().total);
}

TEST(Scheduler, all_done_before_is_finished_at_once) {
  const auto graph = loose(3);
  Scheduler scheduler{graph};
  for (Index i = 0; i < 3; ++i) scheduler.restore({0, i}, TaskState::done);
  EXPECT_TRUE(scheduler.finished());
  scheduler.add_worker(alice);
  EXPECT_TRUE(scheduler.next(alice, now).empty());
}

TEST(Scheduler, a_cycle_is_called_a_stall) {
  const ListGraph graph{{{{{0, 1}}, {{0, 0}}, {}}}};
  Scheduler scheduler{graph};
  scheduler.add_worker(alice);
  EXPECT_FALSE(scheduler.stalled());
  const auto given = scheduler.next(alice, now);
  ASSERT_EQ(tasks_of(given), (std::vector<TaskId>{{0, 2}}));
  EXPECT_FALSE(scheduler.stalled());
  scheduler.succeeded(alice, {0, 2}, 1);
  EXPECT_TRUE(scheduler.next(alice, now).empty());
  EXPECT_TRUE(scheduler.stalled());
  EXPECT_FALSE(scheduler.finished());
}

TEST(Scheduler, one_task_may_wake_very_many) {
  constexpr std::size_t readers = 200'000;
  ListGraph::Reads reads{{{}}, std::vector<std::vector<TaskId>>(readers, {{0, 0}})};
  const ListGraph graph{std::move(reads)};
  Scheduler scheduler{graph, {.prefetch = 8}};
  scheduler.add_worker(alice);
  scheduler.next(alice, now);
  scheduler.succeeded(alice, {0, 0}, 1);
  EXPECT_LT(scheduler.counts(1).ready, 70'000);  // the rest is left to the cursor
  std::size_t ran = 0;
  while (!scheduler.finished()) {
    const auto given = scheduler.next(alice, now);
    ASSERT_FALSE(given.empty() && !scheduler.searching());
    for (const auto& a : given) {
      ASSERT_EQ(scheduler.succeeded(alice, a.task, a.attempt), Acceptance::accepted);
      ++ran;
    }
  }
  EXPECT_EQ(ran, readers);
}

TEST(Scheduler, unknown_workers_and_tasks) {
  const auto graph = loose(2);
  Scheduler scheduler{graph};
  EXPECT_TRUE(scheduler.next(alice, now).empty());
  EXPECT_FALSE(scheduler.straggler(alice, now));
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::stale);
  EXPECT_EQ(scheduler.lost(alice), Verdict::stale);
  scheduler.add_worker(alice);
  EXPECT_THROW(scheduler.add_worker(alice), Error);
  EXPECT_THROW(scheduler.succeeded(alice, {1, 0}, 1), Error);
  EXPECT_THROW(scheduler.succeeded(alice, {0, 2}, 1), Error);
  EXPECT_THROW(scheduler.state({0, -1}), Error);
  EXPECT_THROW(scheduler.restore({-1, 0}, TaskState::done), Error);
}

}  // namespace
}  // namespace petavox
