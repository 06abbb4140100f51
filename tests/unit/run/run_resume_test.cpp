// Runs that fail, stop, change and are damaged: what is kept, what is done again, and that nothing differs.

#include "unit/run/run_world.hpp"

#include <gmock/gmock.h>

namespace petavox::test::resume {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

const Box domain = Box::from({-4, -3, 0}, {10, 12, 14});
const std::string blocks = "[4, 5, 6]";

std::string components_in(const std::string& dir) { return run_header(dir, blocks, "") + components_chain; }

/// The digest of a run that nothing disturbs.
Hash128 reference(RunWorld& world) {
  const RunReport report = world.run(components_in("reference"));
  expect_done(report);
  return report.digest;
}

class RunResume : public ::testing::TestWithParam<int> {
 protected:
  RunResume() { world_.add("raw.h5", domain, 1, 5); }
  /// Leaves a run in which one block of the first step failed.
  RunReport fail_one_block(const std::string& dir, int ranks) {
    Switches::fault = true;
    RunReport report = world_.run(components_in(dir), quiet(), ranks);
    Switches::fault = false;
    return report;
  }
  RunWorld world_;
};

TEST_P(RunResume, FailedBlockLeavesTheOthersFinished) {
  const Hash128 expected = reference(world_);
  const RunReport failed = fail_one_block("out", GetParam());
  EXPECT_EQ(failed.exit_code, ExitCode::failed_blocks);
  EXPECT_FALSE(failed.complete);
  EXPECT_FALSE(std::filesystem::exists(world_ / "out" / "COMPLETE"));
  EXPECT_EQ(failed.steps.front().failed, 1);
  EXPECT_EQ(failed.steps.front().done, failed.steps.front().total - 1);
  ASSERT_FALSE(failed.failures.empty());
  EXPECT_FALSE(failed.failures.front().blocked);
  EXPECT_EQ(failed.failures.front().task, "flaky.image block (1,0,0)");
  EXPECT_EQ(failed.failures.front().text, "flaky.image block (1,0,0): no luck here");
  Index open = 0;
  for (const StepReport& step : failed.steps) open += step.total - step.done;
  EXPECT_EQ(static_cast<Index>(failed.failures.size()), open) << "every task that is not done is listed";
  for (std::size_t i = 1; i < failed.failures.size(); ++i) {
    EXPECT_TRUE(failed.failures[i].blocked);
    EXPECT_EQ(failed.failures[i].text, "depends on flaky.image block (1,0,0)");
  }

  const RunReport resumed = world_.run(components_in("out"), quiet(), GetParam());
  expect_done(resumed);
  EXPECT_EQ(resumed.digest, expected);
  EXPECT_EQ(resumed.tasks_resumed, failed.tasks_run);
  EXPECT_EQ(resumed.tasks_run + resumed.tasks_resumed, world_.total());
}

TEST_P(RunResume, StopsOnRequestAndGoesOn) {
  const Hash128 expected = reference(world_);
  Switches::blocks_run = 0;
  Switches::stop_after = 8;
  const RunReport stopped = world_.run(components_in("out"), quiet(), GetParam());
  EXPECT_EQ(stopped.exit_code, ExitCode::interrupted);
  EXPECT_FALSE(stopped.complete);
  EXPECT_LT(stopped.tasks_run, world_.total());
  EXPECT_THAT(stopped.notes,
              Contains(std::string{"stopped on request; run the same command again to resume"}));
  Switches::stop_after = 0;
  request_stop(false);
  const RunReport resumed = world_.run(components_in("out"), quiet(), GetParam());
  expect_done(resumed);
  EXPECT_EQ(resumed.digest, expected);
  EXPECT_GT(resumed.tasks_resumed, 0);
  EXPECT_EQ(resumed.tasks_resumed, stopped.tasks_run) << "what was reported is kept";
}

INSTANTIATE_TEST_SUITE_P(Ranks, RunResume, ::testing::Values(0, 2));

/// What may happen to a file between two launches.
void damage(const std::filesystem::path& file, const std::string& how) {
  if (how == "deleted") {
    std::filesystem::remove(file);
    return;
  }
  std::vector<char> bytes = file_bytes(file);
  if (how == "cut") bytes.resize(bytes.size() / 2);
  if (how == "flipped")
    for (std::size_t i = 0; i < bytes.size(); i += 61) bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
  write_bytes(file, bytes);
}

TEST_F(RunResume, DamagedPacksAreMadeAgain) {
  const Hash128 expected = reference(world_);
  for (const std::string how : {"flipped", "cut", "deleted"}) {
    SCOPED_TRACE(how);
    const RunReport failed = fail_one_block(how, 0);
    std::size_t packs = 0;
    for (const auto& pack : std::filesystem::directory_iterator{world_ / how / "packs"}) {
      damage(pack.path(), how);
      ++packs;
    }
    const auto wrote = [](const StepReport& step) { return step.done > step.skipped; };
    EXPECT_EQ(packs, static_cast<std::size_t>(std::ranges::count_if(failed.steps, wrote)));
    const RunReport resumed = world_.run(components_in(how));
    expect_done(resumed);
    EXPECT_EQ(resumed.digest, expected);
    EXPECT_GT(resumed.tasks_run, world_.total() - failed.tasks_run) << "nothing was repaired";
  }
}

TEST_F(RunResume, CompleteRunIsNotRunAgain) {
  const RunReport first = world_.run(components_in("out"));
  expect_done(first);
  Switches::blocks_run = 0;
  for (const int ranks : {0, 2}) {
    const RunReport second = world_.run(components_in("out"), quiet(), ranks);
    expect_done(second);
    EXPECT_EQ(second.tasks_run, 0);
    EXPECT_EQ(second.tasks_resumed, world_.total());
    EXPECT_EQ(second.digest, first.digest);
    ASSERT_EQ(second.volumes.size(), first.volumes.size());
    EXPECT_EQ(second.volumes[0].digest, first.volumes[0].digest);
    EXPECT_THAT(second.notes, Contains(std::string{"already complete: nothing was run"}));
  }
  EXPECT_EQ(Switches::blocks_run, 0);
}

TEST_F(RunResume, LostShardIsWrittenAgain) {
  for (const std::string keep : {"final", "all"}) {
    const std::string text = run_header("out_" + keep, blocks, "", keep) + components_chain;
    const RunReport first = world_.run(text);
    expect_done(first);
    const auto shards = world_ / ("out_" + keep) / "volumes" / "numbered.shards";
    for (const std::string how : {"deleted", "cut"}) {
      SCOPED_TRACE(keep + " " + how);
      damage(
          std::filesystem::directory_iterator { shards } -> path(), how);
      const RunReport again = world_.run(text);
      expect_done(again);
      EXPECT_EQ(again.digest, first.digest);
      EXPECT_GT(again.tasks_run, 0);
      if (keep == "all") {
        EXPECT_EQ(again.tasks_run, 1) << "the shard alone";
      }
      EXPECT_GT(num_objects(voxels_of(world_, "out_" + keep, "numbered")), 5U);
    }
  }
}

// ------------------------------------------------------------------ changed configurations

std::string chain_with(const std::string& dir, const std::string& threshold) {
  std::string text = run_header(dir, blocks, "", "all") + watershed_chain;
  const std::string old = "agglomerate: {threshold: 0.5}";
  return text.replace(text.find(old), old.size(), "agglomerate: {threshold: " + threshold + "}");
}

TEST(RunReuse, ChangedConfigIsRefusedNamingTheKey) {
  RunWorld world;
  world.add("raw.h5", domain, 3, 6);
  expect_done(world.run(chain_with("out", "0.5")));
  const auto error = error_of([&] { world.run(chain_with("out", "0.3")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::config);
  EXPECT_EQ(std::string{error->what()},
            (world / "out").string() +
                " was made from another configuration (its results would be mixed); use another output "
                "directory, or --reuse to keep the stages that did not change. What changed:\n"
                "  stages.agglomerate.threshold (was 0.5, now 0.3)");
  // The refusal leaves the results as they are, on every rank count.
  EXPECT_TRUE(error_of([&] { world.run(chain_with("out", "0.3"), quiet(), 2); }));
  EXPECT_EQ(world.run(chain_with("out", "0.5")).tasks_run, 0);
}

TEST(RunReuse, KeepsTheStagesThatDidNotChange) {
  RunWorld world;
  world.add("raw.h5", domain, 3, 6);
  const RunReport before = world.run(chain_with("out", "0.5"));
  expect_done(before);
  RunOptions reuse = quiet();
  reuse.reuse = true;
  const RunReport after = world.run(chain_with("out", "0.3"), reuse);
  expect_done(after);
  EXPECT_GT(after.tasks_resumed, 0);
  EXPECT_EQ(after.tasks_run + after.tasks_resumed, world.total());
  const RunReport fresh = world.run(chain_with("fresh", "0.3"));
  expect_done(fresh);
  EXPECT_EQ(after.digest, fresh.digest);
  EXPECT_NE(before.digest, fresh.digest) << "the change must be one that matters";
  EXPECT_LT(after.tasks_run, fresh.tasks_run);
  Index upstream = 0;
  for (const StepReport& step : fresh.steps)
    if (!step.name.starts_with("agglomerate") && !step.name.starts_with("segments")) upstream += step.total;
  EXPECT_EQ(after.tasks_resumed, upstream);
  // And back again: the first results are still there.
  const RunReport back = world.run(chain_with("out", "0.5"), reuse);
  expect_done(back);
  EXPECT_EQ(back.digest, before.digest);
}

}  // namespace
}  // namespace petavox::test::resume
