// Several threads in a rank: the same digest for any number of them, also of a run that was stopped, failed
// or takes more threads than there are cores; and what is known of each thread's task when a process dies.

#include "petavox/io/pack.hpp"
#include "petavox/io/running_slots.hpp"
#include "petavox/run/profile.hpp"

#include "unit/run/run_world.hpp"

namespace petavox::test::threads {
namespace {

const Box domain = Box::from({-4, -4, 2}, {10, 12, 14});

std::string header(const std::string& dir, const std::string& blocks, int threads) {
  return run_header(dir, blocks, "") + "run: {threads: " + std::to_string(threads) + ", max_attempts: 2}\n";
}

TEST(RunThreads, OneDigestForAnyNumber) {
  RunWorld world;
  world.add("raw.h5", domain, 3, 1);
  const RunReport one = world.run(header(world.next_dir(), "[4, 5, 6]", 1) + watershed_chain);
  expect_done(one);
  for (const int threads : {1, 2, 3, 5, 16})
    for (const int ranks : {1, 2, 3}) {
      SCOPED_TRACE("threads " + std::to_string(threads) + " ranks " + std::to_string(ranks));
      const RunReport report = world.run(
          header(world.next_dir(), threads % 2 == 0 ? "[4, 5, 6]" : "[3, 7, 5]", threads) + watershed_chain,
          quiet(static_cast<std::uint64_t>(threads)), ranks);
      expect_done(report);
      EXPECT_EQ(to_hex(report.digest), to_hex(one.digest));
      EXPECT_EQ(report.tasks_run, world.total());
    }
}

TEST(RunThreads, ComponentsToo) {
  RunWorld world;
  world.add("raw.h5", domain, 1, 2);
  const RunReport one = world.run(header(world.next_dir(), "[4, 5, 6]", 1) + components_chain);
  expect_done(one);
  for (const int threads : {2, 3, 5}) {
    const RunReport report =
        world.run(header(world.next_dir(), "[4, 5, 6]", threads) + components_chain, quiet(), 1);
    expect_done(report);
    EXPECT_EQ(to_hex(report.digest), to_hex(one.digest));
  }
}

TEST(RunThreads, AStoppedRunGoesOnWithAnotherNumber) {
  RunWorld world;
  world.add("raw.h5", domain, 1, 3);
  const RunReport whole = world.run(header(world.next_dir(), "[4, 5, 6]", 1) + components_chain);
  const std::string dir = world.next_dir();
  int stops = 0;
  RunReport report;
  for (const int threads : {3, 1, 5, 2}) {
    request_stop(false);
    Switches::blocks_run = 0;
    Switches::stop_after = 4;
    report = world.run(header(dir, "[4, 5, 6]", threads) + components_chain, quiet(), 2);
    stops += report.exit_code == ExitCode::interrupted ? 1 : 0;
    if (report.complete) break;
  }
  Switches::stop_after = 0;
  request_stop(false);
  if (!report.complete) report = world.run(header(dir, "[4, 5, 6]", 2) + components_chain, quiet(), 1);
  expect_done(report);
  EXPECT_GT(stops, 0);
  EXPECT_EQ(to_hex(report.digest), to_hex(whole.digest));
}

TEST(RunThreads, AFailingBlockIsSetAsideAndTheOthersFinish) {
  RunWorld world;
  world.add("raw.h5", Box::from({0, 0, 0}, {8, 8, 8}), 1, 4);
  Switches::fault = true;
  const RunReport report = world.run(
      header(world.next_dir(), "[4, 4, 4]", 3) + "stages:\n  flaky: {writes: {image: copy}}\n", quiet(), 2);
  Switches::fault = false;
  EXPECT_EQ(report.exit_code, ExitCode::failed_blocks);
  EXPECT_EQ(report.steps.front().failed, 1);
  EXPECT_EQ(report.steps.front().done, 7);
}

TEST(RunThreads, EachThreadHasItsSlotItsPackAndItsTrack) {
  RunWorld world;
  world.add("raw.h5", domain, 1, 5);
  RunOptions options = quiet();
  options.profile = options.keep_packs = true;
  const std::string dir = world.next_dir();
  expect_done(world.run(header(dir, "[4, 5, 6]", 3) + components_chain, options, 2));
  const OutputRoot root = OutputRoot::open((world / dir).string());
  const RunningReport running = read_running_files(root, 2);
  ASSERT_EQ(running.files.size(), 2U);
  std::size_t used = 0;
  for (const RunningFile& file : running.files) {
    EXPECT_LE(file.slots.size(), 3U);
    EXPECT_GE(file.slots.size(), 1U);
    used += file.slots.size();
    for (const RunningSlot& slot : file.slots) EXPECT_EQ(slot.state, SlotState::finished);
  }
  // A thread may find nothing to do; each that ran a task has packs of its own.
  std::set<std::uint32_t> workers;
  for (std::uint32_t stream = 0; stream < 64; ++stream)
    for (std::uint32_t worker = 0; worker < 6; ++worker)
      if (root.exists(pack_name(1, writer_of(worker, stream)))) workers.insert(worker);
  EXPECT_EQ(workers.size(), used);
  EXPECT_EQ(read_profile(root).threads, 6U);
}

TEST(RunThreads, ThePlanCountsTheMemoryOfEach) {
  const auto bytes = [](int threads) {
    // Large enough to fill the cache, which is there once.
    const auto plan = plan_of(header("out", "[32, 32, 32]", threads) + watershed_chain,
                              {input_info("input", Box::from({0, 0, 0}, {512, 512, 512}), DType::u8, 3)});
    return plan->worker_bytes() - static_cast<double>(plan->config().memory_chunk_cache_bytes);
  };
  EXPECT_GT(bytes(1), 0);
  EXPECT_DOUBLE_EQ(bytes(3), 3 * bytes(1));
}

}  // namespace
}  // namespace petavox::test::threads
