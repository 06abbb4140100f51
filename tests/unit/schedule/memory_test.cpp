// What the master holds for a petavoxel volume.

#include "petavox/schedule/scheduler.hpp"

#include "unit/schedule/graphs.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::ChainGraph;

// 12 maps, most with halos, and a reduction: 15 steps over 1.04e7 blocks.
TEST(SchedulerMemory, is_at_most_eight_bytes_a_block_at_ten_million_blocks) {
  std::vector<ChainGraph::MapStep> maps(12, {Extent::cube(1), Halo::uniform(1)});
  const ChainGraph graph{Box{{}, {26, 500, 800}}, maps, true};
  const Index blocks = graph.tiling(0).count();
  ASSERT_EQ(blocks, 10'400'000);
  Scheduler scheduler{graph};
  for (int w = 0; w < 64; ++w) scheduler.add_worker(WorkerId{w});
  // Far enough for the frontier to be in its steady state.
  std::size_t most = 0;
  for (int round = 0; round < 600; ++round) {
    for (const WorkerId w : scheduler.hungry())
      for (const auto& a : scheduler.next(w, Instant{round}))
        ASSERT_EQ(scheduler.succeeded(w, a.task, a.attempt), Acceptance::accepted);
    most = std::max(most, scheduler.memory_bytes());
  }
  EXPECT_GT(scheduler.counts(11).done, 0);
  EXPECT_LE(most, static_cast<std::size_t>(8 * blocks));
  RecordProperty("bytes_a_block_times_100", static_cast<int>(100 * most / static_cast<std::size_t>(blocks)));
}

// Beyond the states: what is ready at once, which depends on workers and batches and not on the volume.
std::size_t most_beyond_the_states(Index edge) {
  const ChainGraph graph{Box{{}, {edge, edge, edge}},
                         {{Extent::cube(1), {}}, {Extent::cube(1), Halo::uniform(1)}, {Extent::cube(1), {}}},
                         true};
  Scheduler scheduler{graph};
  for (int w = 0; w < 4; ++w) scheduler.add_worker(WorkerId{w});
  const std::size_t at_start = scheduler.memory_bytes();
  std::size_t most = 0;
  while (!scheduler.finished()) {
    for (const WorkerId w : scheduler.hungry())
      for (const auto& a : scheduler.next(w, Instant{})) scheduler.succeeded(w, a.task, a.attempt);
    most = std::max(most, scheduler.memory_bytes() - at_start);
  }
  EXPECT_LE(scheduler.memory_bytes(), at_start + 16 * 1024);
  return most;
}

TEST(SchedulerMemory, beyond_the_states_does_not_grow_with_the_volume) {
  const std::size_t small = most_beyond_the_states(20),
                    large = most_beyond_the_states(44);  // 8000, 85184 blocks
  RecordProperty("small", static_cast<int>(small));
  RecordProperty("large", static_cast<int>(large));
  EXPECT_LT(large, 2 * small) << small << " bytes at 20^3, " << large << " at 44^3";
}

}  // namespace
}  // namespace petavox
