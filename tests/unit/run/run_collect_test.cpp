// Intermediates that are deleted while a run goes on.

#include "petavox/io/journal.hpp"

#include "unit/run/run_world.hpp"

namespace petavox::test::collect {
namespace {

// `early` is read by components alone; `late` runs after all of them.
const std::string chain =
    "stages:\n"
    "  early: {stage: flaky, writes: {image: copy}}\n"
    "  components: {connectivity: 6, foreground: above, threshold: 190, reads: "
    "{image: copy}}\n"
    "  relabel: {dense: true, reads: {labels: components}, writes: {labels: "
    "numbered}}\n"
    "  late: {stage: flaky, reads: {image: numbered}, writes: {image: last}}\n";

class RunCollect : public ::testing::TestWithParam<int> {
 protected:
  RunCollect() {
    world_.add("raw.h5", Box::from({-4, -3, 0}, {10, 12, 14}), 1, 5);
    const RunReport report = world_.run(text("reference", "all"));
    expect_done(report);
    for (const VolumeReport& volume : report.volumes)
      if (volume.name == "last") expected_ = volume.digest;
    early_ = report.steps.front().total;
  }
  static std::string text(const std::string& dir, const std::string& keep = "final") {
    return run_header(dir, "[4, 5, 6]", "", keep) + chain;
  }
  /// Stopped when `late` has begun.
  RunReport stopped(const std::string& keep = "final") {
    Switches::blocks_run = 0;
    Switches::stop_after = static_cast<int>(early_) + 3;
    const RunReport report = world_.run(text("out", keep), quiet(), GetParam());
    Switches::stop_after = 0;
    request_stop(false);
    EXPECT_EQ(report.exit_code, ExitCode::interrupted);
    return report;
  }
  /// Of the first generation, by stream: the number of the step.
  std::set<std::uint32_t> streams() {
    std::set<std::uint32_t> found;
    for (const auto& file : std::filesystem::directory_iterator{world_ / "out" / "packs"})
      if (const auto stream = stream_of_pack(file.path().filename().string())) found.insert(stream->number);
    return found;
  }
  Hash128 last_digest(const RunReport& report) const {
    for (const VolumeReport& volume : report.volumes)
      if (volume.name == "last") return volume.digest;
    return {};
  }

  RunWorld world_;
  Hash128 expected_;
  Index early_ = 0;
};

TEST_P(RunCollect, WhatEverybodyHasReadIsGoneAndNothingRunsAgain) {
  const RunReport before = stopped();
  const auto left = streams();
  EXPECT_FALSE(left.contains(0)) << "the copy was read by all";
  EXPECT_TRUE(left.contains(1)) << "`late` reads the voxels of the fragments";
  EXPECT_FALSE(left.contains(2)) << "what the tree of components passed up";
  Switches::blocks_run = 0;
  const RunReport resumed = world_.run(text("out"), quiet(), GetParam());
  expect_done(resumed);
  EXPECT_EQ(last_digest(resumed), expected_);
  EXPECT_EQ(resumed.tasks_resumed, before.tasks_run);
  EXPECT_EQ(resumed.tasks_run + resumed.tasks_resumed, world_.total());
  EXPECT_LT(Switches::blocks_run, static_cast<int>(early_)) << "only what was left of `late`";
  EXPECT_TRUE(streams().empty());
}

TEST_P(RunCollect, KeepAllKeepsAll) {
  stopped("all");
  EXPECT_TRUE(streams().contains(0));
  EXPECT_TRUE(streams().contains(1));
}

TEST_P(RunCollect, RepairMakesDeletedAncestorsAgain) {
  const RunReport before = stopped();
  // What `late` reads is damaged: relabel runs again, and for it all that it is made of.
  std::size_t damaged = 0;
  for (const auto& file : std::filesystem::directory_iterator{world_ / "out" / "packs"}) {
    std::vector<char> bytes = file_bytes(file.path());
    for (std::size_t i = 16; i < bytes.size(); i += 61) bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    write_bytes(file.path(), bytes);
    ++damaged;
  }
  ASSERT_GT(damaged, 0U);
  Switches::blocks_run = 0;
  const RunReport resumed = world_.run(text("out"), quiet(), GetParam());
  expect_done(resumed);
  EXPECT_EQ(last_digest(resumed), expected_);
  EXPECT_GT(resumed.tasks_run + resumed.tasks_resumed, world_.total()) << "nothing was repaired";
  EXPECT_GT(Switches::blocks_run, static_cast<int>(early_)) << "`early` ran again";
  EXPECT_TRUE(streams().empty());
  (void)before;
}

TEST_P(RunCollect, PacksThatACrashLeftAreRemoved) {
  const RunReport before = stopped();
  // As if the master had died between the record and the removal.
  write_bytes(world_ / "out" / "packs" / "1.0.pack", std::vector<char>(100, 'x'));
  Switches::blocks_run = 0;
  Switches::stop_after = 1;
  const RunReport again = world_.run(text("out"), quiet(), GetParam());
  Switches::stop_after = 0;
  request_stop(false);
  EXPECT_EQ(again.tasks_resumed, before.tasks_run);
  EXPECT_FALSE(streams().contains(0));
  const RunReport last = world_.run(text("out"), quiet(), GetParam());
  expect_done(last);
  EXPECT_EQ(last_digest(last), expected_);
}

INSTANTIATE_TEST_SUITE_P(Ranks, RunCollect, ::testing::Values(0, 3));

}  // namespace
}  // namespace petavox::test::collect
