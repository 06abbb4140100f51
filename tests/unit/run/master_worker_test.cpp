// Master and worker piece by piece: whom a lease blames, when results are told, when threads have nothing
// left.

#include "petavox/base/clock.hpp"
#include "petavox/run/dispatcher.hpp"
#include "petavox/run/master.hpp"
#include "petavox/run/wire.hpp"
#include "petavox/run/worker.hpp"

#include "unit/run/run_world.hpp"

namespace petavox::test {
namespace {

using namespace std::chrono_literals;

TimePoint virtual_time{};

/// A master without workers, on a clock that the test moves.
class MasterTest : public ::testing::Test {
 protected:
  MasterTest() {
    replace_clock([]() noexcept { return virtual_time; });
    plan_ = plan_of(run_header("out", "[4, 4, 4]", "") +
                        "run: {lease_s: 10}\nstages:\n  flaky: {writes: {image: copy}}\n",
                    {input_info("input", Box::from({0, 0, 0}, {8, 8, 8}))});
  }
  ~MasterTest() override { replace_clock(nullptr); }

  Scratch scratch_;
  std::unique_ptr<Plan> plan_;
  OutputRoot root_ = OutputRoot::create((scratch_ / "out").string());
};

struct LostTasks final : JournalVisitor {
  void lost(const AttemptRecord& record) override { tasks.push_back(record.task); }
  std::vector<TaskId> tasks;
};

TEST_F(MasterTest, AnExpiredLeaseBlamesTheTaskThatRunsNotOneThatIsFinishedAndNotYetReported) {
  Master master{*plan_, root_, quiet()};
  const WorkerId worker{1};
  master.add_worker(worker);
  const std::vector<Work> work = master.work_for(worker);
  ASSERT_GE(work.size(), 2U);
  RunningSlots slots{root_, master.generation(), 1};
  slots.start(0, work[0].task, static_cast<std::uint32_t>(work[0].attempt));
  slots.finish(0);
  slots.start(0, work[1].task, static_cast<std::uint32_t>(work[1].attempt));
  virtual_time += 11s;
  EXPECT_EQ(master.tick(), (std::vector<WorkerId>{worker}));
  master.commit();
  LostTasks lost;
  replay_journal(root_, lost);
  EXPECT_EQ(lost.tasks, (std::vector<TaskId>{work[1].task}));
}

// Tasks of 100 ms, and commits of 20 ms for which the work waits: the first shows what one takes.
TEST_F(MasterTest, CommitsThatHoldUpTheWorkAreMadeSparingly) {
  const auto commits_of = [&](bool sparingly) {
    const OutputRoot root = OutputRoot::create((scratch_ / (sparingly ? "sparing" : "plain")).string());
    Master master{*plan_, root, quiet()};
    int commits = 0;
    master.before_commit([&] {
      ++commits;
      virtual_time += 20ms;
    });
    if (sparingly) master.commit_sparingly();
    const WorkerId me{0};
    master.add_worker(me);
    Index tasks = 0;
    while (true) {
      const std::vector<Work> work = master.work_for(me);
      if (work.empty()) break;
      for (const Work& w : work) {
        virtual_time += 100ms;
        TaskOutcome outcome;
        outcome.task = w.task;
        outcome.attempt = w.attempt;
        outcome.kind = OutcomeKind::skipped;
        master.report(me, outcome);
        master.tick();
        ++tasks;
      }
    }
    EXPECT_GE(tasks, 8);
    return std::pair{tasks, commits};
  };
  const auto [tasks, plain] = commits_of(false);
  EXPECT_EQ(plain, tasks);
  const auto [same_tasks, sparing] = commits_of(true);
  EXPECT_EQ(same_tasks, tasks);
  EXPECT_EQ(sparing, (tasks + 5) / 6) << "one in 600 ms";
}

// The rank hangs, is charged when its lease ends, and is killed with all others later.
TEST_F(MasterTest, OneDeathIsChargedOnce) {
  const WorkerId worker{1};
  {
    Master master{*plan_, root_, quiet()};
    master.add_worker(worker);
    const std::vector<Work> work = master.work_for(worker);
    RunningSlots slots{root_, master.generation(), 1};
    slots.start(0, work[0].task, static_cast<std::uint32_t>(work[0].attempt));
    virtual_time += 11s;
    EXPECT_EQ(master.tick(), (std::vector<WorkerId>{worker}));
    master.commit();
  }
  const Master next{*plan_, root_, quiet()};
  LostTasks lost;
  replay_journal(root_, lost);
  EXPECT_EQ(lost.tasks.size(), 1U);
}

TEST_F(MasterTest, ThreeChargesOnOneRankDoNotSetATaskAsideWhileAnotherMayTry) {
  TaskId task{0, 0};
  for (const std::uint32_t rank : {1U, 1U, 1U, 2U}) {
    Master master{*plan_, root_, quiet(), 2};
    EXPECT_FALSE(master.finished());
    JournalWriter journal = JournalWriter::acquire(
        root_, JournalHeader{plan_->fingerprint(), {plan_->step(0).fingerprint}, "", "", 0, 0, 0, 0});
    journal.lost({task, 0, rank});
    journal.commit();
  }
  Master master{*plan_, root_, quiet(), 2};
  master.add_worker(WorkerId{3});
  for (const Work& work : master.work_for(WorkerId{3})) EXPECT_NE(work.task, task);
}

/// One other rank, which answers each message to it as it was told.
class OneOther final : public Communicator {
 public:
  explicit OneOther(std::map<int, int> answers) : answers_{std::move(answers)} {
    inbox_.push_back({1, wire::hello, {}});
  }
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void send(int, int tag, std::span<const std::byte>) override {
    sent.push_back(tag);
    if (const auto answer = answers_.find(tag); answer != answers_.end())
      inbox_.push_back({1, answer->second, {}});
  }
  std::optional<Message> poll(std::chrono::microseconds) override {
    if (inbox_.empty()) return std::nullopt;
    Message message = std::move(inbox_.front());
    inbox_.pop_front();
    return message;
  }
  bool flush(std::chrono::milliseconds) override { return true; }
  void forget(int peer) override { forgotten.insert(peer); }
  void barrier() override {}
  Bytes broadcast(Bytes bytes, int) override { return bytes; }
  std::int64_t maximum(std::int64_t value) override { return value; }
  [[noreturn]] void abort(int) override { std::abort(); }
  std::vector<int> sent;
  std::set<int> forgotten;

 private:
  std::map<int, int> answers_;
  std::deque<Message> inbox_;
};

// The master stood still for so long that its worker took it for dead, and said so.
TEST_F(MasterTest, AWorkerThatLeavesIsNotWaitedForAndBlamesNoTask) {
  OneOther other{{{wire::work, wire::leave}}};
  {
    Master master{*plan_, root_, quiet()};
    Dispatcher dispatcher{other, master, nullptr};
    dispatcher.run();
    EXPECT_FALSE(master.finished());
    EXPECT_TRUE(dispatcher.stop(0));
  }
  EXPECT_EQ(other.sent, (std::vector<int>{wire::work}));
  EXPECT_EQ(other.forgotten, (std::set<int>{1}));
  LostTasks lost;
  replay_journal(root_, lost);
  EXPECT_TRUE(lost.tasks.empty());
}

// Commits take longer than a lease; what was said meanwhile counts.
TEST_F(MasterTest, ADiskThatStandsStillCostsNobodyTheLease) {
  Master master{*plan_, root_, quiet(), 2};
  const WorkerId busy{1}, other{2};
  for (const WorkerId worker : {busy, other}) master.add_worker(worker);
  ASSERT_FALSE(master.work_for(busy).empty());
  const std::vector<Work> work = master.work_for(other);
  ASSERT_FALSE(work.empty());
  virtual_time += 2s;
  EXPECT_TRUE(master.tick().empty());
  TaskOutcome failed;
  failed.task = work.front().task;
  failed.attempt = work.front().attempt;
  failed.kind = OutcomeKind::failed;
  master.report(other, failed);
  master.before_commit([] { virtual_time += 60s; });
  virtual_time += 2s;
  EXPECT_TRUE(master.tick().empty());
  master.before_commit({});
  for (const WorkerId worker : {busy, other}) master.alive(worker);  // heard when the disk went on
  virtual_time += 2s;
  EXPECT_TRUE(master.tick().empty());
}

/// Takes as long as it is told.
class Timed final : public Runner {
 public:
  TaskOutcome run(const Work& work) override {
    TaskOutcome outcome;
    outcome.task = work.task;
    outcome.nanoseconds = static_cast<std::uint64_t>(work.task.step == 1 ? 1e9 : 1e3);
    return outcome;
  }
  void sync() override {}
  std::uint64_t unsynced_bytes() const override { return 0; }
  void release(const Release&) override {}
};

TEST(WorkerCore, TellsWhatIsFinishedBeforeATaskThatMayTakeLong) {
  WorkerCore core{std::make_unique<Timed>()};
  const auto run = [&](std::initializer_list<TaskId> tasks) {
    std::vector<Work> work;
    for (const TaskId task : tasks) work.push_back({task, 1, {}});
    core.add(work);
    std::vector<bool> due;
    while (!core.idle()) {
      core.run_one();
      due.push_back(core.due());
      if (due.back()) (void)core.take_results();
    }
    return due;
  };
  // Of step 0 nothing is known at first; step 1 is long.
  EXPECT_EQ(run({{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {0, 3}, {0, 4}}),
            (std::vector<bool>{false, false, true, true, false, false, true}));
}

}  // namespace
}  // namespace petavox::test
