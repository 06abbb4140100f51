// Failures, deaths, late reports, damaged results. Second executions: copies_test.cpp.

#include "petavox/schedule/scheduler.hpp"

#include "unit/schedule/graphs.hpp"

#include <set>

#include <gtest/gtest.h>

namespace petavox::faults {
namespace {

using testing::ListGraph;
using namespace std::chrono_literals;

const WorkerId alice{1}, bob{2}, carol{3};
constexpr Instant now{0};

// 1:i reads 0:i; 2:0 reads all of step 1.
ListGraph funnel(std::size_t n) {
  ListGraph::Reads reads{std::vector<std::vector<TaskId>>(n), {}, {{}}};
  for (std::size_t i = 0; i < n; ++i) {
    reads[1].push_back({{0, static_cast<Index>(i)}});
    reads[2][0].push_back({1, static_cast<Index>(i)});
  }
  return ListGraph{reads};
}

ListGraph single() { return ListGraph{{{{}}}}; }

TEST(SchedulerFaults, a_failure_is_retried_elsewhere_with_a_new_attempt) {
  const auto graph = single();
  Scheduler scheduler{graph};
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  EXPECT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{0, 0}, 1}}));
  EXPECT_EQ(scheduler.failed(alice, {0, 0}, 1), Verdict::retry);
  EXPECT_EQ(scheduler.state({0, 0}), TaskState::ready);
  EXPECT_TRUE(scheduler.next(alice, now).empty());
  EXPECT_EQ(scheduler.next(bob, now), (std::vector<Assignment>{{{0, 0}, 2}}));
  EXPECT_EQ(scheduler.succeeded(bob, {0, 0}, 2), Acceptance::accepted);
  EXPECT_TRUE(scheduler.finished());
  EXPECT_TRUE(scheduler.quarantined().empty());
}

TEST(SchedulerFaults, the_only_worker_retries_its_own_failures) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 3}};
  scheduler.add_worker(alice);
  for (int attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{0, 0}, attempt}}));
    EXPECT_EQ(scheduler.failed(alice, {0, 0}, attempt), attempt < 3 ? Verdict::retry : Verdict::quarantined);
  }
  EXPECT_TRUE(scheduler.finished());
  ASSERT_EQ(scheduler.quarantined().size(), 1U);
  EXPECT_EQ(scheduler.quarantined()[0].charges, 3);
}

TEST(SchedulerFaults, quarantine_needs_two_different_workers_where_there_are_two) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 2}};
  scheduler.add_worker(alice);
  for (int attempt = 1; attempt <= 2; ++attempt) {
    scheduler.next(alice, now);
    if (attempt == 2) scheduler.add_worker(bob);
    EXPECT_EQ(scheduler.failed(alice, {0, 0}, attempt), Verdict::retry);
  }
  EXPECT_TRUE(scheduler.next(alice, now).empty());
  EXPECT_EQ(scheduler.next(bob, now), (std::vector<Assignment>{{{0, 0}, 3}}));
  EXPECT_EQ(scheduler.failed(bob, {0, 0}, 3), Verdict::quarantined);
}

TEST(SchedulerFaults, what_cannot_be_retried_is_quarantined_at_once) {
  const auto graph = single();
  Scheduler scheduler{graph};
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  scheduler.next(alice, now);
  EXPECT_EQ(scheduler.failed(alice, {0, 0}, 1, false), Verdict::quarantined);
  EXPECT_EQ(scheduler.state({0, 0}), TaskState::quarantined);
}

TEST(SchedulerFaults, quarantine_blocks_all_that_depends_on_it_and_nothing_else) {
  const auto graph = funnel(4);
  Scheduler scheduler{graph, {.max_attempts = 1, .min_ranks = 1, .prefetch = 1}};
  scheduler.add_worker(alice);
  std::set<TaskId> ran;
  while (!scheduler.finished())
    for (const auto& a : scheduler.next(alice, now)) {
      if (a.task == TaskId{0, 2}) {
        EXPECT_EQ(scheduler.failed(alice, a.task, a.attempt), Verdict::quarantined);
      } else {
        scheduler.succeeded(alice, a.task, a.attempt);
        ran.insert(a.task);
      }
    }
  EXPECT_EQ(ran, (std::set<TaskId>{{0, 0}, {0, 1}, {0, 3}, {1, 0}, {1, 1}, {1, 3}}));
  EXPECT_EQ(scheduler.state({1, 2}), TaskState::blocked);
  EXPECT_EQ(scheduler.state({2, 0}), TaskState::blocked);
  EXPECT_EQ(scheduler.culprits({2, 0}), (std::vector<TaskId>{{0, 2}}));
  EXPECT_EQ(scheduler.culprits({1, 2}), (std::vector<TaskId>{{0, 2}}));
  EXPECT_TRUE(scheduler.culprits({1, 1}).empty());
  EXPECT_EQ(scheduler.counts(), (StepCounts{.total = 9, .done = 6, .quarantined = 1, .blocked = 2}));
}

TEST(SchedulerFaults, blocking_reaches_everything_even_if_one_task_blocks_very_many) {
  constexpr std::size_t n = 150'000;
  ListGraph::Reads reads{{{}}, std::vector<std::vector<TaskId>>(n, {{0, 0}}), {}};
  for (std::size_t i = 0; i < n; ++i) reads[2].push_back({{1, static_cast<Index>(i)}});
  reads.push_back({{{2, 149'999}}, {}});
  const ListGraph graph{reads};
  Scheduler scheduler{graph, {.max_attempts = 1, .min_ranks = 1, .prefetch = 1}};
  scheduler.add_worker(alice);
  EXPECT_EQ(scheduler.next(alice, now)[0].task, (TaskId{3, 1}));
  scheduler.succeeded(alice, {3, 1}, 1);
  scheduler.next(alice, now);
  scheduler.failed(alice, {0, 0}, 1);
  EXPECT_TRUE(scheduler.finished());
  EXPECT_EQ(scheduler.counts().blocked, static_cast<Index>(2 * n + 1));
}

TEST(SchedulerFaults, a_lost_workers_tasks_go_back_without_blame) {
  const auto graph = funnel(2);
  Scheduler scheduler{graph, {.max_attempts = 1}};
  scheduler.add_worker(alice);
  ASSERT_EQ(scheduler.next(alice, now).size(), 2U);
  EXPECT_EQ(scheduler.lost(alice), Verdict::retry);
  EXPECT_TRUE(scheduler.idle());
  EXPECT_EQ(scheduler.num_workers(), 0);
  scheduler.add_worker(bob);
  const auto again = scheduler.next(bob, now);
  EXPECT_EQ(again, (std::vector<Assignment>{{{0, 0}, 2}, {{0, 1}, 2}}));
  // The dead one speaks: nobody listens.
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::stale);
  EXPECT_EQ(scheduler.succeeded(bob, {0, 0}, 2), Acceptance::accepted);
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::duplicate);
  EXPECT_EQ(scheduler.failed(alice, {0, 1}, 1), Verdict::stale);
}

TEST(SchedulerFaults, a_death_is_charged_to_the_task_named_and_to_no_other) {
  const auto graph = funnel(2);
  Scheduler scheduler{graph, {.max_attempts = 2, .prefetch = 2}};
  for (const WorkerId w : {alice, bob}) {
    scheduler.add_worker(w);
    ASSERT_EQ(scheduler.next(w, now).size(), 2U);
    EXPECT_EQ(scheduler.lost(w, TaskId{0, 1}), w == alice ? Verdict::retry : Verdict::quarantined);
  }
  EXPECT_EQ(scheduler.state({0, 0}), TaskState::ready);
  EXPECT_EQ(scheduler.state({0, 1}), TaskState::quarantined);
  // A charge against a task that the worker did not hold is no charge.
  scheduler.add_worker(carol);
  EXPECT_EQ(scheduler.lost(carol, TaskId{0, 0}), Verdict::retry);
}

TEST(SchedulerFaults, a_released_task_is_not_charged) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 1}};
  scheduler.add_worker(alice);
  for (int attempt = 1; attempt <= 5; ++attempt) {
    ASSERT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{0, 0}, attempt}}));
    EXPECT_EQ(scheduler.released(alice, {0, 0}, attempt), Verdict::retry);
  }
  EXPECT_EQ(scheduler.released(alice, {0, 0}, 5), Verdict::stale);
}

TEST(SchedulerFaults, only_the_attempt_in_flight_counts) {
  const auto graph = single();
  Scheduler scheduler{graph};
  scheduler.add_worker(alice);
  scheduler.next(alice, now);
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 2), Acceptance::stale);
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 0), Acceptance::stale);
  EXPECT_EQ(scheduler.succeeded(bob, {0, 0}, 1), Acceptance::stale);
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::accepted);
  EXPECT_EQ(scheduler.succeeded(alice, {0, 0}, 1), Acceptance::duplicate);
}

TEST(SchedulerFaults, a_damaged_result_is_made_again_and_its_consumers_wait) {
  const auto graph = funnel(2);
  Scheduler scheduler{graph, {.prefetch = 1}};
  scheduler.add_worker(alice);
  scheduler.next(alice, now);
  scheduler.succeeded(alice, {0, 0}, 1);
  ASSERT_EQ(scheduler.state({1, 0}), TaskState::ready);
  scheduler.invalidated({0, 0});
  EXPECT_EQ(scheduler.state({1, 0}), TaskState::pending);
  EXPECT_EQ(scheduler.state({0, 0}), TaskState::ready);
  EXPECT_EQ(scheduler.counts(0).done, 0);
  EXPECT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{0, 0}, 2}}));
  scheduler.succeeded(alice, {0, 0}, 2);
  EXPECT_EQ(scheduler.state({1, 0}), TaskState::ready);
  scheduler.invalidated({2, 0});  // was not done: nothing happens
  EXPECT_EQ(scheduler.state({2, 0}), TaskState::pending);
}

TEST(SchedulerFaults, a_consumer_that_met_a_damaged_input_waits_for_the_new_one) {
  const auto graph = funnel(1);
  Scheduler scheduler{graph, {.prefetch = 1}};
  scheduler.add_worker(alice);
  scheduler.next(alice, now);
  scheduler.succeeded(alice, {0, 0}, 1);
  scheduler.next(alice, now);
  ASSERT_EQ(scheduler.state({1, 0}), TaskState::running);
  scheduler.invalidated({0, 0});
  EXPECT_EQ(scheduler.state({1, 0}), TaskState::running);
  EXPECT_EQ(scheduler.released(alice, {1, 0}, 1), Verdict::retry);
  EXPECT_EQ(scheduler.state({1, 0}), TaskState::pending);
  EXPECT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{0, 0}, 2}}));
  scheduler.succeeded(alice, {0, 0}, 2);
  EXPECT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{1, 0}, 2}}));
}

TEST(SchedulerFaults, repair_goes_up_a_chain_whose_middle_is_gone) {
  // 2:0 is fine; 1:0 and then its source 0:0 are found damaged: both run again, 2:0 does not.
  const auto graph = funnel(1);
  Scheduler scheduler{graph, {.prefetch = 1}};
  for (const TaskId task : {TaskId{0, 0}, TaskId{1, 0}}) scheduler.restore(task, TaskState::done);
  scheduler.restore({2, 0}, TaskState::done);
  scheduler.add_worker(alice);
  scheduler.invalidated({1, 0});
  scheduler.invalidated({0, 0});
  std::vector<TaskId> ran;
  while (!scheduler.finished())
    for (const auto& a : scheduler.next(alice, now)) {
      ran.push_back(a.task);
      scheduler.succeeded(alice, a.task, a.attempt);
    }
  EXPECT_EQ(ran, (std::vector<TaskId>{{0, 0}, {1, 0}}));
}

TEST(SchedulerFaults, leases_run_for_the_first_task_in_flight) {
  const ListGraph graph{{{{}, {}, {}}}};
  Scheduler scheduler{graph, {.prefetch = 2, .lease = 10s}};
  scheduler.add_worker(alice);
  ASSERT_EQ(scheduler.next(alice, 0s).size(), 2U);
  EXPECT_TRUE(scheduler.expired(10s).empty());
  const std::vector<std::pair<WorkerId, TaskId>> late{{alice, {0, 0}}};
  EXPECT_EQ(scheduler.expired(11s), late);
  EXPECT_EQ(scheduler.expired(12s), late);
  scheduler.succeeded(alice, {0, 0}, 1);
  EXPECT_TRUE(scheduler.expired(12s).empty());  // the second task begins now, not when it was sent
  EXPECT_TRUE(scheduler.expired(22s).empty());
  scheduler.renew(alice, 20s);
  EXPECT_TRUE(scheduler.expired(30s).empty());
  EXPECT_EQ(scheduler.expired(31s).size(), 1U);
  scheduler.succeeded(alice, {0, 1}, 1);
  EXPECT_TRUE(scheduler.expired(100s).empty());
}

TEST(SchedulerFaults, suspects_run_one_at_a_time_before_anything_else) {
  const auto graph = funnel(4);
  Scheduler scheduler{graph, {.prefetch = 2}};
  scheduler.restore({0, 0}, TaskState::done);
  scheduler.set_suspects({{0, 3}, {1, 0}, {1, 2}});  // 1:2 cannot have been running: 0:2 is not done
  scheduler.add_worker(alice);
  scheduler.add_worker(bob);
  EXPECT_EQ(scheduler.next(alice, now), (std::vector<Assignment>{{{0, 3}, 1}}));
  EXPECT_TRUE(scheduler.next(bob, now).empty());
  EXPECT_TRUE(scheduler.next(alice, now).empty());
  // It takes its worker with it: a suspect until it is resolved.
  EXPECT_EQ(scheduler.lost(alice, TaskId{0, 3}), Verdict::retry);
  EXPECT_EQ(scheduler.next(bob, now), (std::vector<Assignment>{{{0, 3}, 2}}));
  scheduler.succeeded(bob, {0, 3}, 2);
  EXPECT_EQ(scheduler.next(bob, now), (std::vector<Assignment>{{{1, 0}, 1}}));
  EXPECT_FALSE(scheduler.straggler(bob, 1h));
  scheduler.succeeded(bob, {1, 0}, 1);
  EXPECT_EQ(scheduler.next(bob, now).size(), 2U);
}

// A process with two workers has died while a third works elsewhere.
TEST(SchedulerFaults, suspects_of_a_running_launch_wait_for_what_is_in_flight_and_then_run_alone) {
  const ListGraph graph{{{{}, {}, {}, {}, {}}}};
  Scheduler scheduler{graph, {.prefetch = 1, .run_length = 1}};
  for (const WorkerId worker : {alice, bob, carol}) scheduler.add_worker(worker);
  EXPECT_EQ(scheduler.running(alice), std::nullopt);
  for (const WorkerId worker : {alice, bob, carol}) ASSERT_EQ(scheduler.next(worker, now).size(), 1U);
  const TaskId first = *scheduler.running(alice), second = *scheduler.running(bob),
               other = *scheduler.running(carol);
  scheduler.lost(alice);
  scheduler.lost(bob);
  EXPECT_EQ(scheduler.running(alice), std::nullopt);
  scheduler.set_suspects({first, second});
  EXPECT_TRUE(scheduler.next(carol, now).empty());
  EXPECT_EQ(scheduler.succeeded(carol, other, 1), Acceptance::accepted);
  std::set<TaskId> alone;
  for (int i = 0; i < 2; ++i) {
    const auto given = scheduler.next(carol, now);
    ASSERT_EQ(given.size(), 1U);
    EXPECT_TRUE(scheduler.next(carol, now).empty());
    alone.insert(given[0].task);
    EXPECT_EQ(scheduler.succeeded(carol, given[0].task, given[0].attempt), Acceptance::accepted);
  }
  EXPECT_EQ(alone, (std::set<TaskId>{first, second}));
  scheduler.add_worker(alice);
  EXPECT_EQ(scheduler.next(carol, now).size(), 1U);
  EXPECT_EQ(scheduler.next(alice, now).size(), 1U);
}

TEST(SchedulerFaults, a_suspect_that_kills_every_rank_is_quarantined) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 3}};
  scheduler.restore({0, 0}, TaskState::pending, {9});
  scheduler.set_suspects({{0, 0}});
  for (const WorkerId w : {alice, bob}) {
    scheduler.add_worker(w);
    ASSERT_EQ(scheduler.next(w, now).size(), 1U);
    EXPECT_EQ(scheduler.lost(w, TaskId{0, 0}), w == alice ? Verdict::retry : Verdict::quarantined);
  }
  EXPECT_TRUE(scheduler.finished());
}

// What ails one thread of a rank ails the others: a full disk, a broken core, a library of another version.
TEST(SchedulerFaults, the_threads_of_a_rank_are_one_witness) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 3, .workers_per_rank = 2}};
  const WorkerId sick{2}, sick_too{3}, well{4};
  for (const WorkerId w : {sick, sick_too, well}) scheduler.add_worker(w);
  ASSERT_EQ(scheduler.next(sick, now).size(), 1U);
  EXPECT_EQ(scheduler.failed(sick, {0, 0}, 1), Verdict::retry);
  EXPECT_TRUE(scheduler.next(sick_too, now).empty());
  EXPECT_EQ(scheduler.next(well, now), (std::vector<Assignment>{{{0, 0}, 2}}));
}

TEST(SchedulerFaults, three_failures_in_the_threads_of_one_rank_set_nothing_aside_while_another_could_try) {
  const auto graph = single();
  Scheduler scheduler{graph, {.max_attempts = 3, .workers_per_rank = 2}};
  scheduler.add_worker(WorkerId{0});
  scheduler.add_worker(WorkerId{1});
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const WorkerId w{attempt % 2};
    ASSERT_EQ(scheduler.next(w, now).size(), 1U);
    if (attempt == 3) scheduler.add_worker(WorkerId{2});
    EXPECT_EQ(scheduler.failed(w, {0, 0}, attempt), Verdict::retry) << attempt;
  }
  ASSERT_EQ(scheduler.next(WorkerId{2}, now).size(), 1U);
  EXPECT_EQ(scheduler.failed(WorkerId{2}, {0, 0}, 4), Verdict::quarantined);
}

// The master's own threads begin before the other ranks have said a word.
TEST(SchedulerFaults, a_failed_task_waits_for_ranks_that_will_join_but_not_for_ever) {
  const SchedulerOptions options{.max_attempts = 3, .num_ranks = 2, .lease = 10s};
  const auto graph = single();
  for (const bool comes : {true, false}) {
    Scheduler scheduler{graph, options};
    scheduler.add_worker(alice);
    ASSERT_EQ(scheduler.next(alice, 0s).size(), 1U);
    EXPECT_EQ(scheduler.failed(alice, {0, 0}, 1), Verdict::retry);
    EXPECT_TRUE(scheduler.next(alice, 10s).empty());
    if (comes) {
      scheduler.add_worker(bob);
      EXPECT_TRUE(scheduler.next(alice, 11s).empty());
      EXPECT_EQ(scheduler.next(bob, 11s).size(), 1U);
    } else {
      EXPECT_EQ(scheduler.next(alice, 11s).size(), 1U);
    }
  }
}

TEST(SchedulerFaults, charges_of_earlier_launches_count) {
  struct Row {
    std::vector<std::uint32_t> charged;
    int workers_now;
    bool runs;
  };
  for (const Row& row : std::vector<Row>{
           {{8, 9}, 2, true}, {{8, 9, 9}, 2, false}, {{9, 9, 9}, 2, true}, {{1, 1, 1}, 1, false}}) {
    const auto graph = funnel(1);
    Scheduler scheduler{graph, {.max_attempts = 3}};
    scheduler.restore({0, 0}, TaskState::pending, row.charged);
    for (int w = 1; w <= row.workers_now; ++w) scheduler.add_worker(WorkerId{w});
    EXPECT_EQ(scheduler.next(alice, now).size(), row.runs ? 1U : 0U);
    EXPECT_EQ(scheduler.finished(), !row.runs);
    EXPECT_EQ(scheduler.quarantined().size(), row.runs ? 0U : 1U);
    if (row.runs) {
      EXPECT_EQ(scheduler.failed(alice, {0, 0}, 1), Verdict::quarantined);
    }
    EXPECT_EQ(scheduler.counts().blocked, 2);
  }
}

TEST(SchedulerFaults, a_restored_quarantine_blocks_again) {
  const auto graph = funnel(3);
  Scheduler scheduler{graph};
  scheduler.restore({0, 1}, TaskState::quarantined, {1, 2, 2});
  scheduler.restore({0, 0}, TaskState::done);
  scheduler.add_worker(alice);
  std::set<TaskId> ran;
  while (!scheduler.finished())
    for (const auto& a : scheduler.next(alice, now)) {
      ran.insert(a.task);
      scheduler.succeeded(alice, a.task, a.attempt);
    }
  EXPECT_EQ(ran, (std::set<TaskId>{{1, 0}, {0, 2}, {1, 2}}));
  EXPECT_EQ(scheduler.counts().blocked, 2);
  EXPECT_EQ(scheduler.culprits({2, 0}), (std::vector<TaskId>{{0, 1}}));
}

}  // namespace
}  // namespace petavox::faults
