#include "petavox/io/journal.hpp"

#include "petavox/io/finished_tasks.hpp"

#include "journal_fixture.hpp"

#include <csignal>
#include <fstream>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace petavox::storage_test {
namespace {

using JournalTest = StorageTest;

TEST_F(JournalTest, ReplaysEveryKindOfRecordInOrder) {
  JournalWriter journal = JournalWriter::acquire(root, test_header());
  EXPECT_EQ(journal.generation(), 1U);
  journal.done(test_done(0), "outside the mask");
  journal.failed({{1, 5}, 2, 7}, "it broke");
  journal.lost({{1, 6}, 1, 8});
  journal.commit();
  journal.quarantined({1, 5}, "three times");
  journal.invalidated({2, 0});
  journal.done(test_done(1));
  journal.collected({1, 12});
  journal.note("");
  journal.complete("digest 12\ndigest 34");
  EXPECT_GT(journal.pending_bytes(), 0U);
  journal.commit();
  EXPECT_EQ(journal.pending_bytes(), 0U);
  journal.commit();  // nothing to do

  Recorder recorder;
  const ReplayReport report = replay_journal(root, recorder);
  EXPECT_EQ(recorder.lines,
            (std::vector<std::string>{
                "generation 1", "done step 2 task 0 outside the mask",
                "failed step 1 task 5 attempt 2 worker 7: it broke", "lost step 1 task 6 attempt 1 worker 8",
                "quarantined step 1 task 5: three times", "invalidated step 2 task 0", "done step 2 task 1 ",
                "collected 1 12", "note ", "complete digest 12\ndigest 34"}));
  EXPECT_EQ(recorder.done_records[1], test_done(1));
  EXPECT_EQ(report.records, 9U);
  EXPECT_EQ(report.bytes, journal.size_bytes());
  EXPECT_EQ(report.torn_tails + report.unreadable + report.records_lost, 0U);
  const JournalHeader& header = recorder.headers.at(0);
  EXPECT_EQ(header.plan, test_header().plan);
  EXPECT_EQ(header.steps, test_header().steps);
  EXPECT_EQ(header.version, "0.1.0");
  EXPECT_EQ(header.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_FALSE(header.host.empty());
  EXPECT_GT(header.unix_time_ns, 1'600'000'000'000'000'000ULL);
}

TEST_F(JournalTest, UncommittedRecordsAreNotThere) {
  JournalWriter journal = JournalWriter::acquire(root, test_header());
  journal.note("kept");
  journal.commit();
  journal.note("lost");
  Recorder recorder;
  EXPECT_EQ(replay_journal(root, recorder).records, 1U);
}

TEST_F(JournalTest, GenerationsFollowOneAnother) {
  EXPECT_EQ(newest_generation(root), 0U);
  EXPECT_EQ(state_of_newest_master(root), MasterState::none);
  JournalWriter first = JournalWriter::acquire(root, test_header());
  EXPECT_FALSE(first.superseded());
  JournalWriter second = JournalWriter::acquire(root, test_header());
  EXPECT_EQ(second.generation(), 2U);
  EXPECT_TRUE(first.superseded());
  EXPECT_FALSE(second.superseded());
  // The older master goes on for a while: what it writes is kept, and comes first.
  second.note("from 2");
  second.commit();
  first.note("from 1");
  first.commit();
  Recorder recorder;
  const ReplayReport report = replay_journal(root, recorder);
  EXPECT_EQ(recorder.lines,
            (std::vector<std::string>{"generation 1", "note from 1", "generation 2", "note from 2"}));
  EXPECT_EQ(report.generations, 2U);
  EXPECT_EQ(root.list("journal"), (std::vector<std::string>{"1", "2"}));
}

TEST_F(JournalTest, ForeignFilesInTheDirectoryAreIgnored) {
  root.make_directories("journal");
  for (const char* name :
       {"journal/007", "journal/1.bak", "journal/x", "journal/-3", "journal/0", "journal/99999999999"})
    root.publish_file(name, bytes_of("junk"));
  EXPECT_EQ(newest_generation(root), 0U);
  EXPECT_EQ(JournalWriter::acquire(root, test_header()).generation(), 1U);
  root.publish_file("journal/4294967295", bytes_of("junk"));
  const auto error = error_of([&] { (void)JournalWriter::acquire(root, test_header()); });
  ASSERT_TRUE(error);
  EXPECT_TRUE(well_worded(*error)) << error->what();
}

TEST_F(JournalTest, UnwantedGenerationsAreLeftOut) {
  JournalWriter journal = JournalWriter::acquire(root, test_header());
  journal.done(test_done(1));
  journal.commit();
  Recorder recorder;
  recorder.wanted = false;
  EXPECT_EQ(replay_journal(root, recorder).records, 1U);
  EXPECT_EQ(recorder.lines, std::vector<std::string>{"generation 1"});
}

TEST_F(JournalTest, LongTextsAreCutAndLargeHeadersKept) {
  JournalHeader header = test_header();
  header.steps.resize(50000);
  for (std::size_t i = 0; i < header.steps.size(); ++i) header.steps[i] = {i, i * 3};
  JournalWriter journal = JournalWriter::acquire(root, header);
  journal.failed({{1, 1}, 1, 1}, std::string(200000, 'x'));
  for (int n = 0; n < 40; ++n) journal.note(std::string(static_cast<std::size_t>(n), 'y'));
  journal.commit();
  Recorder recorder;
  EXPECT_EQ(replay_journal(root, recorder).records, 41U);
  EXPECT_EQ(recorder.headers[0].steps, header.steps);
  EXPECT_EQ(recorder.lines[1], "failed step 1 task 1 attempt 1 worker 1: " + std::string(65536, 'x'));
  for (std::size_t n = 0; n < 40; ++n) EXPECT_EQ(recorder.lines[n + 2], "note " + std::string(n, 'y'));
}

/// "First valid Done wins unless invalidated since", as a resume does it.
struct Resume : JournalVisitor {
  FinishedTasks finished{{100, 100, 100}};
  std::vector<std::uint32_t> attempt_of = std::vector<std::uint32_t>(100, 0);
  void done(const DoneRecord& r, std::string_view) override {
    if (finished.known(r.task) && finished.insert(r.task))
      attempt_of[static_cast<std::size_t>(r.task.index)] = r.attempt;
  }
  void invalidated(TaskId task) override { finished.erase(task); }
};

TEST_F(JournalTest, TheFirstRecordThatWasNotInvalidatedCounts) {
  JournalWriter first = JournalWriter::acquire(root, test_header());
  JournalWriter second = JournalWriter::acquire(root, test_header());
  const auto done = [](std::int64_t index, std::uint32_t attempt) {
    DoneRecord r = test_done(index);
    r.attempt = attempt;
    return r;
  };
  first.done(done(1, 1));
  first.done(done(1, 2));
  first.done(done(2, 1));
  first.invalidated({2, 2});
  first.done(done(3, 1));
  first.done(done(100, 1));  // not of the plan
  first.commit();
  second.done(done(2, 9));
  second.invalidated({2, 3});
  second.invalidated({2, 50});
  second.done(done(1, 7));
  second.commit();
  Resume resume;
  (void)replay_journal(root, resume);
  EXPECT_EQ(resume.attempt_of[1], 1U);
  EXPECT_EQ(resume.attempt_of[2], 9U);
  EXPECT_TRUE(resume.finished.contains({2, 1}));
  EXPECT_FALSE(resume.finished.contains({2, 3}));
  EXPECT_EQ(resume.finished.total(), 2);
}

TEST_F(JournalTest, AFullDiskKeepsTheRecordsPending) {
  JournalWriter journal = JournalWriter::acquire(root, test_header());
  journal.note("one");
  journal.commit();
  for (int i = 0; i < 100; ++i) journal.done(test_done(i));
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit low = before;
  low.rlim_cur = journal.size_bytes() + 1000;
  ::setrlimit(RLIMIT_FSIZE, &low);
  const auto error = error_of([&] { journal.commit(); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::resource);
  {
    Recorder recorder;  // what another process would see now: whole records, then a piece of one
    const ReplayReport report = replay_journal(root, recorder);
    EXPECT_EQ(report.records, 1U + 9U);
    EXPECT_EQ(report.torn_tails, 1U);
  }
  journal.done(test_done(100));
  journal.commit();
  Recorder recorder;
  const ReplayReport report = replay_journal(root, recorder);
  EXPECT_EQ(report.records, 102U);
  EXPECT_EQ(report.torn_tails, 0U);
}

TEST_F(JournalTest, TellsWhetherTheMasterStillRuns) {
  int ready[2], stop[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(stop), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      (void)JournalWriter::acquire(root, test_header());
    } catch (...) {
      ::_exit(1);
    }
    char c = 'r';
    (void)!::write(ready[1], &c, 1);
    (void)!::read(stop[0], &c, 1);
    ::_exit(0);
  }
  char c = 0;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  EXPECT_EQ(state_of_newest_master(root), MasterState::alive);
  ::kill(child, SIGKILL);
  ::waitid(P_PID, static_cast<id_t>(child), nullptr, WEXITED | WNOWAIT);
  EXPECT_EQ(state_of_newest_master(root), MasterState::dead) << "a zombie runs no more";
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(state_of_newest_master(root), MasterState::dead);
  const JournalWriter ours = JournalWriter::acquire(root, test_header());
  EXPECT_EQ(ours.generation(), 2U);
  EXPECT_EQ(state_of_newest_master(root), MasterState::this_process);
}

}  // namespace
}  // namespace petavox::storage_test
