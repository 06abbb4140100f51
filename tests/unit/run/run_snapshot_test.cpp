// Runs that resume from a snapshot of the journal.

#include "unit/run/run_world.hpp"

namespace petavox::test {
namespace {

const std::string chain = "run: {snapshot_tasks: 16}\n" + components_chain;

class RunSnapshot : public ::testing::Test {
 protected:
  RunSnapshot() {
    world_.add("raw.h5", Box::from({-4, -3, 0}, {10, 12, 14}), 1, 5);
    const RunReport report = world_.run(text("reference"));
    expect_done(report);
    expected_ = report.digest;
  }
  static std::string text(const std::string& dir) { return run_header(dir, "[4, 5, 6]", "") + chain; }

  /// A run that was stopped after some blocks.
  RunReport stopped(const std::string& dir) {
    Switches::blocks_run = 0;
    Switches::stop_after = 9;
    const RunReport report = world_.run(text(dir));
    Switches::stop_after = 0;
    request_stop(false);
    EXPECT_EQ(report.exit_code, ExitCode::interrupted);
    EXPECT_GT(report.tasks_run, 0);
    return report;
  }
  std::filesystem::path snapshot_of(const std::string& dir) {
    std::vector<std::filesystem::path> found;
    for (const auto& file : std::filesystem::directory_iterator{world_ / dir / "snapshots"})
      found.push_back(file.path());
    EXPECT_EQ(found.size(), 1U);
    return found.empty() ? std::filesystem::path{} : found.front();
  }
  static void flip(const std::filesystem::path& file, std::size_t offset) {
    std::vector<char> bytes = file_bytes(file);
    ASSERT_LT(offset, bytes.size());
    bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
    write_bytes(file, bytes);
  }
  void expect_resumed(const std::string& dir, const RunReport& before) {
    const RunReport resumed = world_.run(text(dir));
    expect_done(resumed);
    EXPECT_EQ(resumed.digest, expected_);
    EXPECT_EQ(resumed.tasks_resumed, before.tasks_run);
    EXPECT_EQ(resumed.tasks_run + resumed.tasks_resumed, world_.total()) << "nothing runs twice";
  }

  RunWorld world_;
  Hash128 expected_;
};

TEST_F(RunSnapshot, IsReadInsteadOfTheRecordsThatItCovers) {
  const RunReport before = stopped("out");
  snapshot_of("out");
  // The journal alone would bring back less than half.
  const auto journal = world_ / "out" / "journal" / "1";
  flip(journal, std::filesystem::file_size(journal) / 2);
  expect_resumed("out", before);
}

TEST_F(RunSnapshot, DamagedInItsHeadIsNotUsed) {
  const RunReport before = stopped("out");
  flip(snapshot_of("out"), 9);
  expect_resumed("out", before);
}

TEST_F(RunSnapshot, DamagedInItsResultsIsReplacedByTheJournal) {
  const RunReport before = stopped("out");
  flip(snapshot_of("out"), 4096 + 10);
  expect_resumed("out", before);
}

TEST_F(RunSnapshot, ThatRefersToALostPackIsNotUsed) {
  const RunReport before = stopped("out");
  for (const auto& pack : std::filesystem::directory_iterator{world_ / "out" / "packs"})
    std::filesystem::remove(pack.path());
  const RunReport resumed = world_.run(text("out"));
  expect_done(resumed);
  EXPECT_EQ(resumed.digest, expected_);
  EXPECT_EQ(resumed.tasks_run, world_.total());
}

TEST_F(RunSnapshot, StoppedManyTimes) {
  Index resumed_before = 0;
  for (int launch = 0; launch < 4; ++launch) {
    Switches::blocks_run = 0;
    Switches::stop_after = 4;
    const RunReport report = world_.run(text("out"));
    request_stop(false);
    EXPECT_EQ(report.exit_code, ExitCode::interrupted);
    EXPECT_EQ(report.tasks_resumed, resumed_before);
    resumed_before += report.tasks_run;
  }
  Switches::stop_after = 0;
  const RunReport last = world_.run(text("out"));
  expect_done(last);
  EXPECT_EQ(last.digest, expected_);
  EXPECT_EQ(last.tasks_run + last.tasks_resumed, world_.total());
  EXPECT_TRUE(std::filesystem::is_empty(world_ / "out" / "packs")) << "of all launches";
}

}  // namespace
}  // namespace petavox::test
