#include "petavox/io/running_slots.hpp"

#include "storage_fixture.hpp"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace petavox::storage_test {
namespace {

using RunningSlotsTest = StorageTest;
RunningSlots* slots_of_handler = nullptr;

/// Runs `f` in a process of its own, until it ends or is killed with SIGKILL once it has written to the pipe.
template <class F>
void in_child(F&& f, int signal_first = 0) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      f([&] { (void)!::write(pipe[1], "x", 1); });
    } catch (...) {
    }
    ::_exit(1);
  }
  char c = 0;
  ASSERT_EQ(::read(pipe[0], &c, 1), 1);
  if (signal_first != 0) {
    ::kill(child, signal_first);
    ASSERT_EQ(::read(pipe[0], &c, 1), 1);
  }
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(RunningSlotsTest, SurvivesASuddenDeath) {
  in_child([&](const auto& ready) {
    RunningSlots slots{root, 2, 7, 4};
    slots.start(0, {1, 100}, 3);
    slots.start(1, {1, 101}, 1);
    slots.finish(1);
    slots.start(3, {2, 5}, 2);
    ready();
    ::pause();
  });
  const RunningReport report = read_running_files(root, 3);
  ASSERT_EQ(report.files.size(), 1U);
  EXPECT_TRUE(report.unreadable.empty());
  const RunningFile& file = report.files[0];
  EXPECT_EQ(file.generation, 2U);
  EXPECT_EQ(file.rank, 7U);
  EXPECT_NE(file.pid, 0U);
  EXPECT_FALSE(file.host.empty());
  ASSERT_EQ(file.slots.size(), 3U) << "the unused slot is left out";
  EXPECT_EQ(file.slots[0].task, (TaskId{1, 100}));
  EXPECT_EQ(file.slots[0].attempt, 3U);
  EXPECT_EQ(file.slots[0].state, SlotState::running);
  EXPECT_GT(file.slots[0].started_unix_ns, 1'600'000'000'000'000'000ULL);
  EXPECT_EQ(file.slots[1].state, SlotState::finished);
  EXPECT_GE(file.slots[1].ended_unix_ns, file.slots[1].started_unix_ns);
  EXPECT_EQ(file.slots[2].state, SlotState::running);
}

TEST_F(RunningSlotsTest, ASignalMarksTasksAsNotToBlame) {
  in_child(
      [&](const auto& ready) {
        RunningSlots slots{root, 1, 0, 3};
        slots_of_handler = &slots;
        std::signal(SIGTERM, [](int) { slots_of_handler->mark_interrupted(); });
        slots.start(0, {1, 1}, 1);
        slots.start(1, {1, 2}, 1);
        slots.finish(1);
        sigset_t none, term;  // the signal is held back until it is waited for
        sigemptyset(&none);
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        ::sigprocmask(SIG_BLOCK, &term, nullptr);
        ready();
        ::sigsuspend(&none);
        slots.start(2, {1, 3}, 1);  // begun after the signal
        ready();
        ::pause();
      },
      SIGTERM);
  const RunningReport report = read_running_files(root, 2);
  ASSERT_EQ(report.files.size(), 1U);
  const auto& slots = report.files[0].slots;
  ASSERT_EQ(slots.size(), 3U);
  EXPECT_EQ(slots[0].state, SlotState::interrupted);
  EXPECT_GE(slots[0].ended_unix_ns, slots[0].started_unix_ns);
  EXPECT_EQ(slots[1].state, SlotState::finished);
  EXPECT_EQ(slots[2].state, SlotState::interrupted);
}

TEST_F(RunningSlotsTest, KilledAtRandomMomentsItIsAlwaysReadable) {
  for (std::uint32_t round = 0; round < 20; ++round)
    in_child([&](const auto& ready) {
      RunningSlots slots{root, 1, round, 2};
      ready();
      for (std::int64_t i = 0;; ++i) {
        slots.start(0, {1, i}, 1);
        slots.start(1, {2, i}, 2);
        slots.finish(0);
      }
    });
  const RunningReport report = read_running_files(root, 2);
  EXPECT_EQ(report.files.size(), 20U);
  EXPECT_TRUE(report.unreadable.empty());
  for (const RunningFile& file : report.files)
    for (const RunningSlot& slot : file.slots)
      EXPECT_TRUE((slot.task.step == 1 && slot.attempt == 1) || (slot.task.step == 2 && slot.attempt == 2));
}

TEST_F(RunningSlotsTest, ReadsAndRemovesOlderLaunchesOnly) {
  for (const std::uint32_t generation : {3U, 1U, 2U})
    for (const std::uint32_t rank : {1U, 0U}) RunningSlots slots{root, generation, rank};
  EXPECT_THROW((RunningSlots{root, 1, 1}), Error) << "a launch and rank make it once";
  const RunningReport report = read_running_files(root, 3);
  ASSERT_EQ(report.files.size(), 4U);
  EXPECT_EQ(report.files[0].generation, 1U);
  EXPECT_EQ(report.files[0].rank, 0U);
  EXPECT_EQ(report.files[3].generation, 2U);
  EXPECT_EQ(report.files[3].rank, 1U);
  remove_running_files(root, 3);
  EXPECT_EQ(root.list("running"), (std::vector<std::string>{"3.0", "3.1"}));
}

TEST_F(RunningSlotsTest, DamagedAndForeignFilesAreListed) {
  { RunningSlots slots{root, 1, 1, 2}; }
  const Bytes good = root.read_file("running/1.1", 10000);
  const auto publish = [&](const std::string& name, Bytes bytes) {
    root.publish_file("running/" + name, bytes);
  };
  publish("junk", bytes_of("x"));
  publish("1.02", good);
  publish("1.2", good);  // another rank's content
  Bytes cut = good;
  cut.pop_back();
  publish("1.3", cut);
  publish("1.4", {});
  Bytes many = good;
  many[16] = many[17] = std::byte{0xff};  // number of slots
  publish("1.5", many);
  publish("1.6", Bytes(1 << 20));
  const RunningReport report = read_running_files(root, 2);
  EXPECT_EQ(report.files.size(), 1U);
  EXPECT_EQ(report.unreadable, (std::vector<std::string>{"1.02", "1.2", "1.3", "1.4", "1.5", "1.6", "junk"}));
  Random random{1};
  for (int trial = 0; trial < 2000; ++trial) {
    Bytes bad = good;
    bad[random.below(bad.size())] ^= static_cast<std::byte>(1U << random.below(8));
    overwrite(root, "running/1.1", bad);
    (void)read_running_files(root, 2);
  }
}

}  // namespace
}  // namespace petavox::storage_test
