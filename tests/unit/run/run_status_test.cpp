// How a run is seen from outside: while its journal grows, with a torn tail, and after it was relaunched.

#include "petavox/run/run_status.hpp"

#include "petavox/io/journal.hpp"

#include "unit/run/run_world.hpp"

#include <fstream>

#include <gmock/gmock.h>

namespace petavox::test::status {
namespace {

using ::testing::HasSubstr;

const Box domain = Box::from({-4, -3, 0}, {10, 12, 14});

std::string components_in(const std::string& dir) {
  return run_header(dir, "[4, 5, 6]", "") + components_chain;
}

class RunStatusTest : public ::testing::Test {
 protected:
  RunStatusTest() { world_.add("raw.h5", domain, 1, 5); }
  OutputRoot root() { return OutputRoot::open((world_ / "out").string()); }
  RunWorld world_;
};

TEST_F(RunStatusTest, CompleteRun) {
  expect_done(world_.run(components_in("out")));
  const RunStatus status = StatusReader{root()}.read();
  EXPECT_EQ(status.state, RunState::complete);
  EXPECT_EQ(status.sum().total, world_.total());
  EXPECT_EQ(status.sum().done, world_.total());
  EXPECT_EQ(status.launches, 1U);
  EXPECT_EQ(status.ended, ExitCode::done);
  EXPECT_EQ(status.steps.front().name, "flaky.image");
}

TEST_F(RunStatusTest, FailedBlocksAreCountedUntilALaterLaunchDoesThem) {
  Switches::fault = true;
  ASSERT_EQ(world_.run(components_in("out")).exit_code, ExitCode::failed_blocks);
  Switches::fault = false;
  StatusReader reader{root()};
  const RunStatus failed = reader.read();
  EXPECT_EQ(failed.state, RunState::failed);
  EXPECT_EQ(failed.steps.front().quarantined, 1);
  EXPECT_GE(failed.steps.front().failed, 1);
  ASSERT_FALSE(failed.failures.empty());
  EXPECT_THAT(failed.failures.back(), HasSubstr("no luck here"));

  expect_done(world_.run(components_in("out")));
  const RunStatus done = reader.read();  // the same reader sees what is new
  EXPECT_EQ(done.state, RunState::complete);
  EXPECT_EQ(done.sum().quarantined, 0);
  EXPECT_EQ(done.sum().done, world_.total());
  EXPECT_EQ(done.launches, 2U);
}

TEST_F(RunStatusTest, StoppedRunAndATornTail) {
  Switches::stop_after = 10;
  ASSERT_EQ(world_.run(components_in("out")).exit_code, ExitCode::interrupted);
  StatusReader reader{root()};
  const RunStatus stopped = reader.read();
  EXPECT_EQ(stopped.state, RunState::stopped);
  EXPECT_GT(stopped.sum().done, 0);
  EXPECT_LT(stopped.sum().done, world_.total());
  // What a reader meets while a master writes: a piece of a record. It waits for the rest.
  std::ofstream{world_ / "out" / "journal" / "1", std::ios::app | std::ios::binary} << "piece of a rec";
  EXPECT_EQ(reader.read().sum().done, stopped.sum().done);
  EXPECT_EQ(StatusReader{root()}.read().sum().done, stopped.sum().done);
}

TEST_F(RunStatusTest, AWorkingMasterIsSeenAndNotDisturbed) {
  Switches::stop_after = 10;
  ASSERT_EQ(world_.run(components_in("out")).exit_code, ExitCode::interrupted);
  JournalHeader header;
  header.plan = read_run_record(root()).plan;
  header.steps = read_run_record(root()).fingerprints();
  JournalWriter master = JournalWriter::acquire(root(), header);
  StatusReader reader{root()};
  EXPECT_EQ(reader.read().state, RunState::running);
  EXPECT_EQ(reader.read().generation, 2U);
  const TaskId open{0, read_run_record(root()).steps.front().tasks - 1};  // not done when it was stopped
  master.lost({open, 0, 1});
  master.quarantined({0, 4}, "throws");
  master.commit();
  const RunStatus status = reader.read();
  EXPECT_EQ(status.steps.front().lost, 1);
  EXPECT_EQ(status.steps.front().quarantined, 1);
  EXPECT_THAT(status.failures.back(), HasSubstr("throws"));
  // Three deaths set a task aside for good.
  for (const std::uint32_t generation : {1U, 2U}) master.lost({open, generation, 2});
  master.note(end_note(ExitCode::interrupted));
  master.commit();
  const RunStatus after = reader.read();
  EXPECT_EQ(after.steps.front().quarantined, 2);
  EXPECT_EQ(after.state, RunState::stopped);
}

TEST_F(RunStatusTest, AForeignDirectoryIsRefused) {
  std::filesystem::create_directories(world_ / "out");
  EXPECT_THROW((void)StatusReader{root()}.read(), Error);
  std::ofstream{world_ / "out" / "steps.json"} << R"({"plan": "00", "max_attempts": 3, "steps": []})";
  EXPECT_THROW((void)StatusReader{root()}.read(), Error);
  std::ofstream{world_ / "out" / "steps.json"}
      << R"({"plan":"00000000000000000000000000000000","max_attempts":3,"steps":[{"name":"a","kind":"map",)"
         R"("tasks":9000000000000000000,"fingerprint":"00000000000000000000000000000000"}]})";
  EXPECT_THROW((void)StatusReader{root()}.read(), Error) << "no memory for tasks that no plan has";
}

TEST_F(RunStatusTest, LaunchesAreKeptAndDamagedLinesLeftOut) {
  std::filesystem::create_directories(world_ / "out");
  const LaunchRecord first{1, 10.5, 20.25, 137, false, false, 0, 12},
      second{2, 21, 30, 0, true, true, 12, 40};
  append_launch(root(), first);
  std::ofstream{world_ / "out" / "launches.jsonl", std::ios::app} << "{\"number\": 7}\nnothing\n";
  append_launch(root(), second);
  EXPECT_EQ(read_launches(root()), (std::vector{first, second}));
}

TEST(EndNote, SaysTheExitCode) {
  for (const ExitCode code : {ExitCode::done, ExitCode::failed_blocks, ExitCode::interrupted})
    EXPECT_EQ(parse_end_note(end_note(code)), code);
  for (const char* text : {"", "end", "end ", "end x", "end 4 ", "end 256", "other"})
    EXPECT_FALSE(parse_end_note(text));
}

}  // namespace
}  // namespace petavox::test::status
