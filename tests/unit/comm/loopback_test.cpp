#include "petavox/comm/loopback.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using namespace std::chrono_literals;

Bytes number(int value) {
  ByteWriter writer;
  writer.put(value);
  return writer.take();
}
int number_in(const Message& message) { return ByteReader{message.bytes}.get<int>(); }

// Rank 0 sends 0..count-1 to rank 1, which lists what arrives until nothing more does.
std::vector<int> one_way(int count, const LoopbackFaults& faults) {
  const auto ranks = make_loopback(2, faults);
  for (int i = 0; i < count; ++i) ranks[0]->send(1, 0, number(i));
  std::vector<int> seen;
  while (const auto message = ranks[1]->poll(20ms)) seen.push_back(number_in(*message));
  return seen;
}

TEST(LoopbackFaults, none_by_default) {
  const auto seen = one_way(1000, {});
  ASSERT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(LoopbackFaults, drop_loses_about_the_share_asked) {
  LoopbackFaults faults;
  faults.drop = 0.25;
  const auto seen = one_way(4000, faults);
  EXPECT_GT(seen.size(), 2800U);
  EXPECT_LT(seen.size(), 3200U);
}

TEST(LoopbackFaults, duplicate_repeats_without_loss) {
  LoopbackFaults faults;
  faults.duplicate = 0.25;
  const auto seen = one_way(4000, faults);
  EXPECT_GT(seen.size(), 4800U);
  EXPECT_LT(seen.size(), 5200U);
  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 4000U);
}

TEST(LoopbackFaults, delay_reorders_without_loss) {
  LoopbackFaults faults;
  faults.delay = 0.25;
  auto seen = one_way(1000, faults);
  EXPECT_FALSE(std::is_sorted(seen.begin(), seen.end()));
  std::sort(seen.begin(), seen.end());
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(LoopbackFaults, depend_on_the_seed_alone) {
  LoopbackFaults faults;
  faults.drop = 0.1;
  faults.duplicate = 0.1;
  const auto first = one_way(500, faults);
  EXPECT_EQ(first, one_way(500, faults));
  faults.seed = 1;
  EXPECT_NE(first, one_way(500, faults));
}

TEST(LoopbackDeath, comes_at_the_operation_asked_and_is_no_error) {
  LoopbackFaults faults;
  faults.deaths = {{1, 3}};
  std::atomic<int> survived{0};
  const auto outcome = run_loopback(
      2,
      [&](Communicator& comm) {
        if (comm.rank() == 0) return;
        for (int i = 0; i < 10; ++i) {
          comm.send(0, 0, {});
          ++survived;
        }
      },
      faults);
  EXPECT_EQ(survived, 3);
  EXPECT_EQ(outcome.died, (std::vector<bool>{false, true}));
  EXPECT_NO_THROW(outcome.rethrow());
}

TEST(LoopbackDeath, is_for_ever_and_swallows_messages) {
  LoopbackFaults faults;
  faults.deaths = {{1, 0}};
  const auto ranks = make_loopback(2, faults);
  ranks[0]->send(1, 0, {});
  EXPECT_THROW(ranks[1]->poll(0us), RankDied);
  EXPECT_THROW(ranks[1]->poll(0us), RankDied);
  EXPECT_THROW(ranks[1]->send(0, 0, {}), RankDied);
  EXPECT_THROW(ranks[1]->barrier(), RankDied);
  ranks[0]->send(1, 0, {});
  EXPECT_FALSE(ranks[0]->poll(0us));
  EXPECT_TRUE(ranks[0]->flush());
}

TEST(LoopbackDeath, breaks_a_collective_instead_of_hanging_it) {
  LoopbackFaults faults;
  faults.deaths = {{2, 0}};
  const auto outcome = run_loopback(
      3,
      [](Communicator& comm) {
        if (comm.rank() == 2) comm.poll(0us);
        comm.barrier();
      },
      faults);
  EXPECT_TRUE(outcome.died[2]);
  EXPECT_THROW(outcome.rethrow(), Error);
}

TEST(LoopbackDeath, happens_while_others_already_wait) {
  LoopbackFaults faults;
  faults.deaths = {{0, 0}};
  const auto outcome = run_loopback(
      2,
      [](Communicator& comm) {
        if (comm.rank() == 0) {
          std::this_thread::sleep_for(20ms);
          comm.poll(0us);
        }
        comm.maximum(1);
      },
      faults);
  EXPECT_TRUE(outcome.died[0]);
  EXPECT_THROW(outcome.rethrow(), Error);
}

TEST(Loopback, an_error_on_one_rank_frees_the_others) {
  const auto outcome = run_loopback(3, [](Communicator& comm) {
    if (comm.rank() == 2) throw Error{ErrorCode::io, "disk on fire"};
    if (comm.rank() == 1) comm.barrier();
    comm.poll(60s);
  });
  try {
    outcome.rethrow();
    FAIL() << "no error came out";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "disk on fire");
  }
  for (const int rank : {0, 1})
    EXPECT_THROW(std::rethrow_exception(outcome.errors[static_cast<std::size_t>(rank)]), LoopbackAborted);
}

TEST(Loopback, abort_carries_its_code) {
  const auto outcome = run_loopback(2, [](Communicator& comm) {
    if (comm.rank() == 1) comm.abort(3);
    comm.poll(60s);
  });
  try {
    outcome.rethrow();
    FAIL() << "no abort came out";
  } catch (const LoopbackAborted& aborted) {
    EXPECT_EQ(aborted.code(), 3);
  }
}

TEST(Loopback, forget_drops_both_directions_and_refuses_collectives) {
  const auto ranks = make_loopback(2);
  ranks[1]->send(0, 0, {});
  ranks[0]->forget(1);
  ranks[0]->send(1, 0, {});
  EXPECT_FALSE(ranks[0]->poll(1ms));
  EXPECT_FALSE(ranks[1]->poll(1ms));
  EXPECT_THROW(ranks[0]->barrier(), Error);
}

TEST(Loopback, needs_a_rank) { EXPECT_THROW(make_loopback(0), Error); }

}  // namespace
}  // namespace petavox
