// Tasks that run more than once at a time: slow ones on idle workers, and finished ones to be compared.

#include "petavox/schedule/scheduler.hpp"

#include "unit/schedule/graphs.hpp"

#include <gtest/gtest.h>

namespace petavox::copies {
namespace {

using testing::ListGraph;
using namespace std::chrono_literals;

const WorkerId alice{1}, bob{2}, carol{3}, dave{9}, erin{10};
constexpr Instant now{0};

ListGraph single() { return ListGraph{{{{}}}}; }

TEST(SchedulerCopies, an_idle_worker_duplicates_a_straggler_and_the_first_result_wins) {
  const auto graph = single();
  Scheduler scheduler{graph, {.straggler_age = 10s}};
  for (const WorkerId w : {alice, bob, carol}) scheduler.add_worker(w);
  scheduler.next(alice, 0s);
  EXPECT_FALSE(scheduler.straggler(bob, 9s));
  EXPECT_FALSE(scheduler.straggler(alice, 20s));  // its own
  const auto copy = scheduler.straggler(bob, 10s);
  ASSERT_TRUE(copy);
  EXPECT_EQ(*copy, (Assignment{{0, 0}, 2}));
  EXPECT_FALSE(scheduler.straggler(carol, 19s));  // the copy is not slow yet
  EXPECT_EQ(scheduler.counts(0).running, 1);
  EXPECT_EQ(scheduler.succeeded(bob, {0, 0}, 2), Acceptance::accepted);
  EXPECT_TRUE(scheduler.finished());
  EXPECT_FALSE(scheduler.idle());
  EXPECT_EQ(scheduler.holders({0, 0}), (std::vector<std::pair<WorkerId, int>>{{alice, 1}}));
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::duplicate);
  EXPECT_TRUE(scheduler.holders({0, 0}).empty());
  EXPECT_TRUE(scheduler.idle());
}

TEST(SchedulerCopies, a_copy_that_is_slow_too_is_duplicated_up_to_the_limit) {
  const auto graph = single();
  Scheduler scheduler{graph, {.straggler_age = 10s, .copies = 3}};
  for (const WorkerId w : {alice, bob, carol, dave}) scheduler.add_worker(w);
  scheduler.next(alice, 0s);
  ASSERT_TRUE(scheduler.straggler(bob, 10s));
  EXPECT_FALSE(scheduler.straggler(carol, 15s));
  const auto third = scheduler.straggler(carol, 20s);
  ASSERT_TRUE(third);
  EXPECT_EQ(*third, (Assignment{{0, 0}, 3}));
  EXPECT_FALSE(scheduler.straggler(dave, 90s)) << "three at once are enough";
  EXPECT_EQ(scheduler.failed(carol, {0, 0}, 3), Verdict::retry);
  const auto fourth = scheduler.straggler(dave, 100s);
  ASSERT_TRUE(fourth) << "but one has failed";
  EXPECT_EQ(scheduler.succeeded(dave, {0, 0}, 4), Acceptance::accepted);
  EXPECT_TRUE(scheduler.finished());
  EXPECT_EQ(scheduler.succeeded(bob, {0, 0}, 2), Acceptance::duplicate);
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::duplicate);
  EXPECT_TRUE(scheduler.idle());
}

TEST(SchedulerCopies, tasks_that_run_once_are_duplicated_before_those_that_run_twice) {
  const testing::ListGraph graph{testing::ListGraph::Reads{{{}, {}}}};
  Scheduler scheduler{graph, {.prefetch = 1, .straggler_age = 10s, .copies = 3}};
  for (const WorkerId w : {alice, bob, carol, dave, erin}) scheduler.add_worker(w);
  scheduler.next(alice, 0s);
  ASSERT_EQ(scheduler.straggler(carol, 10s)->task, (TaskId{0, 0}));
  ASSERT_EQ(scheduler.next(bob, 11s).size(), 1U);
  EXPECT_EQ(scheduler.straggler(dave, 21s)->task, (TaskId{0, 1})) << "the other one has been doubled already";
  EXPECT_EQ(scheduler.straggler(erin, 22s)->task, (TaskId{0, 0}));
}

ListGraph independent(int tasks) {
  return ListGraph{ListGraph::Reads{std::vector<std::vector<TaskId>>(static_cast<std::size_t>(tasks))}};
}

/// A scheduler in which alice holds the last of its tasks since `at`, and four others took `usual` each.
Scheduler four_done(const ListGraph& graph, std::chrono::nanoseconds usual, Instant at) {
  Scheduler scheduler{graph, {.prefetch = 1}};
  for (const WorkerId w : {alice, bob, carol, dave}) scheduler.add_worker(w);
  for (int i = 0; i < 4; ++i) {
    const auto given = scheduler.next(bob, 0s);
    EXPECT_EQ(scheduler.succeeded(bob, given.front().task, 1), Acceptance::accepted);
    scheduler.took(0, usual);
  }
  EXPECT_EQ(scheduler.next(alice, at).size(), 1U);
  return scheduler;
}

TEST(SchedulerCopies, what_counts_as_slow_follows_what_the_step_takes) {
  const auto graph = independent(5);
  const auto copied_after = [&](std::chrono::nanoseconds usual, Instant before, Instant after) {
    Scheduler scheduler = four_done(graph, usual, 1s);
    EXPECT_FALSE(scheduler.straggler(bob, 1s + before)) << usual.count();
    EXPECT_TRUE(scheduler.straggler(carol, 1s + after)) << usual.count();
  };
  copied_after(2s, 3999ms, 4s);
  copied_after(1ms, 249ms, 250ms);  // its result may be on its way
  copied_after(60s, 9999ms, 10s);
  copied_after(std::chrono::nanoseconds::max(), 9999ms, 10s);
}

TEST(SchedulerCopies, of_a_step_whose_durations_are_not_known_the_longest_wait_holds) {
  const auto graph = independent(4);
  Scheduler scheduler{graph, {.prefetch = 1}};
  for (const WorkerId w : {alice, bob}) scheduler.add_worker(w);
  for (int i = 0; i < 3; ++i) {
    const auto given = scheduler.next(bob, 0s);
    EXPECT_EQ(scheduler.succeeded(bob, given.front().task, 1), Acceptance::accepted);
    scheduler.took(0, 1s);
  }
  EXPECT_EQ(scheduler.next(alice, 0s).size(), 1U);
  EXPECT_FALSE(scheduler.straggler(bob, 9999ms));
  EXPECT_TRUE(scheduler.straggler(bob, 10s));
}

TEST(SchedulerCopies, a_step_that_turns_out_short_is_looked_at_again_in_time) {
  const auto graph = independent(5);
  Scheduler scheduler{graph, {.prefetch = 1}};
  for (const WorkerId w : {alice, bob, carol}) scheduler.add_worker(w);
  EXPECT_EQ(scheduler.next(alice, 0s).size(), 1U);
  EXPECT_FALSE(scheduler.straggler(carol, 0s)) << "nothing is known yet";
  for (int i = 0; i < 4; ++i) {
    const auto given = scheduler.next(bob, 0s);
    EXPECT_EQ(scheduler.succeeded(bob, given.front().task, 1), Acceptance::accepted);
    scheduler.took(0, 300ms);
  }
  EXPECT_FALSE(scheduler.straggler(carol, 599ms));
  EXPECT_TRUE(scheduler.straggler(carol, 600ms));
}

TEST(SchedulerCopies, one_of_two_executions_may_fail) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 1, .straggler_age = 0s}};
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  scheduler.next(alice, 0s);
  ASSERT_TRUE(scheduler.straggler(bob, 1s));
  EXPECT_EQ(scheduler.failed(alice, {0, 0}, 1, false), Verdict::retry);
  EXPECT_EQ(scheduler.lost(alice), Verdict::retry);
  EXPECT_EQ(scheduler.state({0, 0}), TaskState::running);
  EXPECT_EQ(scheduler.succeeded(bob, {0, 0}, 2), Acceptance::accepted);
  EXPECT_TRUE(scheduler.finished());
}

TEST(SchedulerCopies, a_copy_that_failed_is_made_again_elsewhere) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 5, .straggler_age = 10s}};
  for (const WorkerId w : {alice, bob, carol}) scheduler.add_worker(w);
  scheduler.next(alice, 0s);
  ASSERT_TRUE(scheduler.straggler(bob, 10s));
  EXPECT_FALSE(scheduler.straggler(carol, 11s));
  EXPECT_EQ(scheduler.failed(bob, {0, 0}, 2), Verdict::retry);
  EXPECT_FALSE(scheduler.straggler(bob, 21s)) << "it has failed on it";
  const auto copy = scheduler.straggler(carol, 21s);
  ASSERT_TRUE(copy);
  EXPECT_EQ(*copy, (Assignment{{0, 0}, 3}));
}

/// Counts how often the scheduler asks what a task waits for.
class CountingGraph final : public TaskGraph {
 public:
  explicit CountingGraph(Index tasks)
      : graph_{testing::ListGraph::Reads{std::vector<std::vector<TaskId>>(static_cast<std::size_t>(tasks))}} {
  }
  int num_steps() const override { return graph_.num_steps(); }
  Index num_tasks(int step) const override { return graph_.num_tasks(step); }
  void dependencies(TaskId task, TaskVisitor visit) const override {
    ++asked;
    graph_.dependencies(task, visit);
  }
  void dependents(TaskId task, TaskVisitor visit) const override { graph_.dependents(task, visit); }
  std::uint64_t locality(TaskId task) const override { return graph_.locality(task); }
  Index in_order(int step, Index k) const override { return graph_.in_order(step, k); }
  bool tiny(TaskId task) const override { return graph_.tiny(task); }
  mutable Index asked = 0;

 private:
  testing::ListGraph graph_;
};

TEST(SchedulerCopies, thousands_of_idle_workers_look_for_stragglers_together) {
  constexpr int busy = 2000;
  const CountingGraph graph{busy};
  Scheduler scheduler{graph, {.prefetch = 1, .straggler_age = 10s}};
  for (int w = 0; w < 2 * busy; ++w) scheduler.add_worker(WorkerId{w});
  int given = 0;
  for (int w = 0; w < 2 * busy; ++w) given += static_cast<int>(scheduler.next(WorkerId{w}, 0s).size());
  ASSERT_EQ(given, busy);
  graph.asked = 0;
  const auto ask_all = [&](Instant at) {
    int copies = 0;
    for (const WorkerId w : scheduler.hungry()) copies += scheduler.straggler(w, at) ? 1 : 0;
    return copies;
  };
  for (int ms = 0; ms < 1000; ms += 10) EXPECT_EQ(ask_all(Instant{std::chrono::milliseconds{ms}}), 0);
  EXPECT_LE(graph.asked, 10 * busy) << "a hundred rounds, each of two thousand idle workers";
  graph.asked = 0;
  EXPECT_EQ(ask_all(12s), busy);
  EXPECT_LE(graph.asked, 4 * busy);
  EXPECT_TRUE(scheduler.hungry().empty());
}

TEST(SchedulerCopies, a_finished_task_runs_again_to_be_compared) {
  const ListGraph graph{{{{}}, {{{0, 0}}}}};
  Scheduler scheduler{graph, {.num_ranks = 2, .prefetch = 1}};
  scheduler.add_worker(alice);
  EXPECT_FALSE(scheduler.alone(alice)) << "another is expected";
  scheduler.add_worker(bob);
  EXPECT_FALSE(scheduler.alone(alice));
  ASSERT_EQ(scheduler.next(alice, now).size(), 1U);
  EXPECT_FALSE(scheduler.again(bob, {0, 0}, now)) << "it is not done";
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::accepted);
  const auto second = scheduler.again(bob, {0, 0}, now);
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, (Assignment{{0, 0}, 2}));
  EXPECT_EQ(scheduler.state({0, 0}), TaskState::done);
  EXPECT_EQ(scheduler.hungry(), (std::vector<WorkerId>{alice})) << "bob is full";
  EXPECT_FALSE(scheduler.again(bob, {0, 0}, now));
  EXPECT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{1, 0}, 1}}))
      << "its readers need not wait";
  EXPECT_EQ(scheduler.succeeded(bob, {0, 0}, 2), Acceptance::duplicate);
  scheduler.lost(bob);
  EXPECT_TRUE(scheduler.alone(alice));
}

}  // namespace
}  // namespace petavox::copies
