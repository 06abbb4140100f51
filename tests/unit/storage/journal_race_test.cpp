// Several processes that take generations at once: each gets its own, and nobody's records are lost.

#include "journal_fixture.hpp"

#include <csignal>
#include <filesystem>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

namespace petavox::storage_test {
namespace {

using JournalRace = StorageTest;

TEST_F(JournalRace, EachProcessGetsAGenerationOfItsOwn) {
  constexpr int num_processes = 4, rounds = 25;
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  std::vector<pid_t> children;
  for (int process = 0; process < num_processes; ++process) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int failures = 0;
      char c = 0;
      ::close(gate[1]);
      (void)!::read(gate[0], &c, 1);  // returns when the parent closes the gate: all start together
      try {
        for (int round = 0; round < rounds; ++round) {
          JournalWriter journal = JournalWriter::acquire(root, test_header());
          journal.note(std::to_string(process) + "." + std::to_string(round));
          journal.commit();
          const auto header = read_journal_header(root, journal.generation());
          if (!header || header->pid != static_cast<std::uint32_t>(::getpid())) ++failures;
        }
      } catch (...) {
        failures = 100;
      }
      ::_exit(failures);
    }
    children.push_back(child);
  }
  ::close(gate[0]);
  ::close(gate[1]);
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  Recorder recorder;
  const ReplayReport report = replay_journal(root, recorder);
  EXPECT_EQ(report.generations, static_cast<std::uint32_t>(num_processes * rounds));
  EXPECT_EQ(newest_generation(root), static_cast<std::uint32_t>(num_processes * rounds))
      << "no number is skipped";
  EXPECT_EQ(report.records, static_cast<std::uint64_t>(num_processes * rounds));
  const std::set<std::string> notes{recorder.lines.begin(), recorder.lines.end()};
  EXPECT_EQ(notes.size(), static_cast<std::size_t>(2 * num_processes * rounds)) << "each note once";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{root.path() + "/journal"}, {}),
            num_processes * rounds)
      << "no temporary files";
}

// A writer is killed at a random moment; what it had committed is there, in order and without gaps.
TEST_F(JournalRace, AKilledWriterLosesNothingThatWasCommitted) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        JournalWriter journal = JournalWriter::acquire(root, test_header());
        for (std::int64_t i = 0;; ++i) {
          for (std::int64_t k = 0; k < 5; ++k) journal.done(test_done(i * 5 + k));
          journal.commit();
          (void)!::write(pipe[1], &i, sizeof i);
        }
      } catch (...) {
        ::_exit(1);
      }
    }
    ::close(pipe[1]);
    std::int64_t committed = -1;
    const std::uint64_t wait_for = Random{round}.below(40);
    while (committed < static_cast<std::int64_t>(wait_for))
      ASSERT_EQ(::read(pipe[0], &committed, sizeof committed), static_cast<ssize_t>(sizeof committed));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    std::int64_t i = 0;
    while (::read(pipe[0], &i, sizeof i) == static_cast<ssize_t>(sizeof i)) committed = i;
    ::close(pipe[0]);
    Recorder recorder;
    const ReplayReport report = replay_journal(root, recorder);
    EXPECT_EQ(report.records_lost, 0U);
    ASSERT_GE(recorder.done_records.size(), static_cast<std::size_t>((committed + 1) * 5));
    for (std::size_t k = 0; k < recorder.done_records.size(); ++k)
      ASSERT_EQ(recorder.done_records[k], test_done(static_cast<std::int64_t>(k)));
    root.remove_tree("journal");
  }
}

}  // namespace
}  // namespace petavox::storage_test
