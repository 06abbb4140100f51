// Sampled double execution: which tasks run twice, where, and what follows from two results.

#include "petavox/base/clock.hpp"
#include "petavox/run/master.hpp"

#include "unit/run/run_world.hpp"

namespace petavox::test::checks {
namespace {

using namespace std::chrono_literals;

TimePoint virtual_time{};

class MasterChecks : public ::testing::Test {
 protected:
  MasterChecks() {
    replace_clock([]() noexcept { return virtual_time; });
  }
  ~MasterChecks() override { replace_clock(nullptr); }

  static std::unique_ptr<Plan> plan(double fraction, int seed = 0) {
    return plan_of(run_header("out", "[4, 4, 4]", "", "all") + "run: {lease_s: 10, seed: " +
                       std::to_string(seed) + ", verify_fraction: " + std::to_string(fraction) +
                       "}\nstages:\n  flaky: {writes: {image: copy}}\n",
                   {input_info("input", Box::from({0, 0, 0}, {8, 16, 16}))});
  }
  OutputRoot root(const std::string& name) { return OutputRoot::create((scratch_ / name).string()); }

  /// Ranks work by turns until the run is done or stops; each answers as it is told.
  template <class Answer>
  void drive(Master& master, const std::vector<WorkerId>& workers, const Answer& answer) {
    for (int round = 0; round < 1000 && !master.finished() && !master.must_stop(); ++round) {
      for (const WorkerId worker : workers)
        for (const Work& work : master.work_for(worker)) {
          TaskOutcome outcome;
          outcome.task = work.task;
          outcome.attempt = work.attempt;
          outcome.location = {master.generation(), 0, 0, 64, answer(worker, work.task)};
          outcome.digest = {answer(worker, work.task), 1};
          master.report(worker, outcome);
          runs_[work.task].push_back(rank_of(worker, 1));
        }
      virtual_time += 1s;
      for (const WorkerId worker : workers) master.alive(worker);
      master.tick();
    }
  }
  static std::uint64_t right(WorkerId, TaskId task) { return mix64(static_cast<std::uint64_t>(task.index)); }

  std::set<TaskId> twice() const {
    std::set<TaskId> tasks;
    for (const auto& [task, ranks] : runs_)
      if (ranks.size() == 2) tasks.insert(task);
    return tasks;
  }

  Scratch scratch_;
  std::map<TaskId, std::vector<int>> runs_;
};

/// On record, and not found damaged since.
struct FinishedTasks final : JournalVisitor {
  void done(const DoneRecord& record, std::string_view) override { tasks.insert(record.task); }
  void invalidated(TaskId task) override { tasks.erase(task); }
  std::set<TaskId> tasks;
};

const std::vector<WorkerId> two{WorkerId{1}, WorkerId{2}};

TEST_F(MasterChecks, EachSampledTaskRunsOnTwoRanks) {
  const auto all = plan(1);
  Master master{*all, root("out"), quiet(), 2};
  for (const WorkerId worker : two) master.add_worker(worker);
  drive(master, two, right);
  EXPECT_TRUE(master.finished());
  EXPECT_EQ(runs_.size(), twice().size());
  for (const auto& [task, ranks] : runs_) {
    ASSERT_EQ(ranks.size(), 2U);
    EXPECT_NE(ranks[0], ranks[1]);
  }
}

TEST_F(MasterChecks, TheSampleIsTheSameWhateverTheRanksAndAsLargeAsItWasAskedFor) {
  std::size_t sampled = 0, all = 0;
  for (int seed = 0; seed < 20; ++seed) {
    std::set<TaskId> first;
    for (const int ranks : {2, 3}) {
      std::vector<WorkerId> workers;
      for (int rank = ranks; rank > 0; --rank) workers.push_back(WorkerId{rank});
      const auto half = plan(0.5, seed);
      Master master{*half, root("out" + std::to_string(seed) + "." + std::to_string(ranks)), quiet(), ranks};
      for (const WorkerId worker : workers) master.add_worker(worker);
      runs_.clear();
      drive(master, workers, right);
      ASSERT_TRUE(master.finished());
      if (ranks == 2) first = twice();
      EXPECT_EQ(twice(), first) << "seed " << seed;
    }
    sampled += first.size();
    all += runs_.size();
  }
  ASSERT_GE(all, 600U);
  // Six deviations of as many throws of a coin.
  EXPECT_NEAR(static_cast<double>(sampled), 0.5 * static_cast<double>(all),
              3 * std::sqrt(static_cast<double>(all)));
}

TEST_F(MasterChecks, OfTwoDifferentResultsNeitherCounts) {
  const auto all = plan(1);
  const OutputRoot out = root("out");
  const TaskId bad{0, 5};
  {
    Master master{*all, out, quiet(), 2};
    for (const WorkerId worker : two) master.add_worker(worker);
    drive(master, two, [&](WorkerId worker, TaskId task) {
      return right(worker, task) + (task == bad && worker == two[1] ? 1 : 0);
    });
    EXPECT_FALSE(master.finished());
    EXPECT_TRUE(master.must_stop());
    master.commit();
  }
  FinishedTasks finished;
  replay_journal(out, finished);
  EXPECT_FALSE(finished.tasks.contains(bad));
  EXPECT_FALSE(finished.tasks.empty()) << "what was right is kept";
}

// The only other rank is given up: what waits for it must not wait for ever.
TEST_F(MasterChecks, ARankThatIsLeftAloneComparesWithItself) {
  const auto all = plan(1);
  Master master{*all, root("out"), quiet(), 2};
  for (const WorkerId worker : two) master.add_worker(worker);
  ASSERT_FALSE(master.work_for(two[1]).empty());  // and nothing is heard of it again
  drive(master, {two[0]}, right);
  EXPECT_TRUE(master.finished());
}

TEST_F(MasterChecks, TheFirstOfTwoRanksWaitsForTheOther) {
  const auto all = plan(1);
  Master master{*all, root("out"), quiet(), 2};
  master.add_worker(two[0]);
  for (int round = 0; round < 5; ++round)
    for (const Work& work : master.work_for(two[0])) {
      EXPECT_EQ(work.attempt, 1) << "its own result is not its to compare";
      TaskOutcome outcome;
      outcome.task = work.task;
      outcome.attempt = work.attempt;
      outcome.location = {master.generation(), 0, 0, 64, right(two[0], work.task)};
      master.report(two[0], outcome);
    }
  EXPECT_FALSE(master.finished());
}

}  // namespace
}  // namespace petavox::test::checks
