// What reports know of a run: it agrees with what was done, in one launch and in several, and stays bounded.

#include "petavox/run/run_history.hpp"

#include "unit/run/run_world.hpp"

namespace petavox::test {
namespace {

TEST(Usage, SurvivesItsNoteAndOtherTextsAreNone) {
  Usage usage{2};
  usage.add(1, 10, 8, 1000, 2000, 1 << 20);
  usage.add(1, 5, 4, 1, 2, 1 << 10);
  usage.elapsed_ms = 1234;
  EXPECT_EQ(usage.steps[1].tasks, 2U);
  EXPECT_EQ(usage.peak_bytes, 1U << 20);
  const auto read = parse_usage(to_note(usage));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, usage);
  for (const char* text : {"", "usage", "usage 1 2", "usage 1 2 3", "usage 1 2 99999999999999", "end 0",
                           "usage 1 2 1 1 1 1 1 x", "usage 1 2 1 1 1 1 1 1 1"})
    EXPECT_FALSE(parse_usage(text).has_value()) << text;
}

TEST(TimeBins, KeepTheSumHoweverLongTheTimeGets) {
  TimeBins bins{4};
  bins.add_span(1, 0.0005, 0.1, 2);
  bins.add_span(1, 90, 110, 20);
  bins.add(1, 1e6, 1);
  bins.add_span(3, 5, 5, 7);  // no length: at a moment
  const auto sum = [&](std::size_t channel) {
    double all = 0;
    for (std::size_t b = 0; b < TimeBins::num_bins; ++b) all += bins.at(channel, b);
    return all;
  };
  EXPECT_NEAR(sum(1), 23, 1e-9);
  EXPECT_NEAR(sum(3), 7, 1e-9);
  EXPECT_GE(bins.width_s() * TimeBins::num_bins, 1e6);
  bins.fold_groups(1);  // 0 and 1, 2 and 3
  EXPECT_NEAR(sum(0), 23, 1e-9);
  EXPECT_NEAR(sum(1), 7, 1e-9);
  EXPECT_EQ(sum(2), 0);
}

class History : public ::testing::Test {
 protected:
  History() { world_.add("raw.h5", Box::from({}, {12, 16, 16}), 1, 3); }
  RunHistory history(const std::string& dir, const std::string& text) const {
    const RunConfig config = config_of(text, world_ / "run.yaml");
    Problems problems;
    const auto inputs = InputSet::open(config, world_.opener(), problems);
    const auto plan = make_plan(config, registry(), inputs->infos());
    std::vector<StepShape> shapes;
    for (const StepPlan& step : plan->steps()) shapes.push_back({step.fingerprint, step.tiling.grid()});
    return read_history(OutputRoot::open((world_ / dir).string()), shapes);
  }
  RunWorld world_;
};

TEST_F(History, AgreesWithTheRun) {
  const std::string dir = world_.next_dir();
  const std::string text = run_header(dir, "[6, 8, 8]", "") + components_chain;
  expect_done(world_.run(text, quiet(), 3));
  const RunHistory history = this->history(dir, text);
  EXPECT_EQ(history.tasks_done(), world_.total());
  EXPECT_EQ(history.spans.size(), static_cast<std::size_t>(world_.total()));
  EXPECT_TRUE(history.complete);
  EXPECT_EQ(history.launches.size(), 1U);
  EXPECT_EQ(history.num_failures, 0);
  EXPECT_GT(history.num_packs, 0);
  EXPECT_GT(history.launches.front().peak_bytes, 1U << 20);
  double seconds = 0, cells = 0;
  std::uint64_t tasks = 0;
  for (const StepHistory& step : history.steps) {
    seconds += step.seconds;
    tasks += step.usage.tasks;
  }
  for (const double s : history.cell_s) cells += s;
  EXPECT_EQ(tasks, static_cast<std::uint64_t>(world_.total()));
  EXPECT_GT(cells, 0);
  EXPECT_LE(cells, seconds * (1 + 1e-9));
  for (const TaskSpan& span : history.spans) EXPECT_LE(span.begin_s, span.end_s);
}

TEST_F(History, CountsLaunchesAndFailures) {
  const std::string dir = world_.next_dir();
  const std::string text = run_header(dir, "[6, 8, 8]", "") + components_chain;
  Switches::fault = true;
  EXPECT_EQ(world_.run(text).exit_code, ExitCode::failed_blocks);
  Switches::fault = false;
  RunOptions again = quiet();
  again.retry_quarantined = true;
  expect_done(world_.run(text, again));
  const RunHistory history = this->history(dir, text);
  EXPECT_EQ(history.launches.size(), 2U);
  EXPECT_GE(history.launches.back().begin_s, history.launches.front().length_s);
  ASSERT_FALSE(history.failures.empty());
  EXPECT_NE(history.failures.front().text.find("no luck here"), std::string::npos);
  EXPECT_GE(history.num_failures, 3);
  EXPECT_GE(history.tasks_done(), world_.total());
}

}  // namespace
}  // namespace petavox::test
