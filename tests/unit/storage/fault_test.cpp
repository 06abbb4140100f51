// Every call to the operating system fails in turn, in every way: what was reported as durable is there, what
// was not is absent or whole, and the next launch goes on.

#include "petavox/io/bundle.hpp"

#include "failing_calls.hpp"
#include "journal_fixture.hpp"

#include <cerrno>
#include <filesystem>

namespace petavox::storage_test {
namespace {

/// What a small launch was told to be durable.
struct Outcome {
  std::uint32_t generation = 0;
  std::vector<Location> durable;  ///< objects of synced packs
  std::int64_t committed = 0;     ///< Done records of commits that returned
  std::optional<Bytes> state;     ///< of atomically_replace calls that returned
  bool published = false;
  bool finished = false;
};

constexpr std::int64_t num_tasks = 4;

Bytes object_of(std::int64_t task) {
  return random_bytes(700 + static_cast<std::size_t>(task), static_cast<std::uint64_t>(task));
}

/// A launch: journal, pack, objects, records, a published file, a state file. Throws what it meets.
void launch(const OutputRoot& root, Outcome& outcome) {
  JournalWriter journal = JournalWriter::acquire(root, test_header());
  outcome.generation = journal.generation();
  PackWriter pack{root, journal.generation(), 0};
  for (std::int64_t task = 0; task < num_tasks; ++task) {
    const Location location = pack.append(object_of(task));
    pack.sync();
    outcome.durable.push_back(location);
    DoneRecord record = test_done(task);
    record.location = location;
    journal.done(record);
    journal.commit();
    outcome.committed = task + 1;
    const Bytes state = bytes_of("state " + std::to_string(task));
    root.atomically_replace("state", state);
    outcome.state = state;
  }
  root.publish_file("final." + std::to_string(journal.generation()), bytes_of("whole"));
  outcome.published = true;
  journal.complete("digest");
  journal.commit();
  outcome.finished = true;
}

/// All that must hold afterwards, whatever failed.
void check(const OutputRoot& root, const Outcome& outcome, const std::string& what) {
  const PackReader packs{root};
  for (std::size_t i = 0; i < outcome.durable.size(); ++i)
    ASSERT_EQ(packs.read_object(outcome.durable[i], 1 << 20), object_of(static_cast<std::int64_t>(i)))
        << what;
  Recorder recorder;
  const ReplayReport report = replay_journal(root, recorder);
  ASSERT_EQ(report.records_lost, 0U) << what;
  ASSERT_EQ(report.unreadable, 0U) << what;
  ASSERT_GE(static_cast<std::int64_t>(recorder.done_records.size()), outcome.committed) << what;
  // Records that were not confirmed may be there; then they are true all the same.
  for (std::size_t i = 0; i < recorder.done_records.size(); ++i) {
    ASSERT_LT(i, outcome.durable.size()) << what << ": a record of an object that was not durable";
    ASSERT_EQ(recorder.done_records[i].location, outcome.durable[i]) << what;
  }
  if (root.exists("state")) {
    const Bytes state = root.read_file("state", 1000);
    ASSERT_TRUE(state == outcome.state || state == bytes_of("state " + std::to_string(outcome.committed - 1)))
        << what;
  } else {
    ASSERT_FALSE(outcome.state) << what;
  }
  for (const std::string& name : root.list(""))
    if (name.starts_with("final.")) {
      ASSERT_EQ(root.read_file(name, 100), bytes_of("whole")) << what;
    }
  ASSERT_EQ(root.exists("final." + std::to_string(outcome.generation)) || !outcome.published, true) << what;
}

TEST(Faults, EveryCallFailsInTurn) {
  // How many calls there are.
  std::size_t num_calls = 0;
  {
    ScratchDirectory scratch;
    const OutputRoot root = OutputRoot::create(scratch.path());
    Outcome outcome;
    begin_failures({});
    launch(root, outcome);
    num_calls = end_failures().size();
    EXPECT_TRUE(outcome.finished);
  }
  ASSERT_GT(num_calls, 40U);
  int failed = 0, survived = 0;
  for (const int error_number : {EIO, ENOSPC, EDQUOT, ESTALE, EINTR, EACCES})
    for (const bool for_ever : {false, true})
      for (std::size_t at = 0; at < num_calls; ++at) {
        if (error_number == EINTR && for_ever) continue;  // would be repeated for ever, as it should
        ScratchDirectory scratch;
        const OutputRoot root = OutputRoot::create(scratch.path());
        Outcome outcome;
        std::optional<Error> error;
        begin_failures({static_cast<int>(at), error_number, for_ever, false});
        error = error_of([&] { launch(root, outcome); });
        const auto calls = end_failures();
        const std::string what =
            calls[at] + " number " + std::to_string(at) + " fails with " + std::to_string(error_number);
        if (error_number == EINTR && calls[at] != "linkat" && calls[at] != "renameat" &&
            calls[at] != "mkdirat") {
          ASSERT_FALSE(error) << what << ": " << error->what();
        }
        if (error) {
          ++failed;
          EXPECT_TRUE(well_worded(*error)) << error->what();
          EXPECT_TRUE(error->code() == ErrorCode::io || error->code() == ErrorCode::resource);
        } else {
          ++survived;
          EXPECT_TRUE(outcome.finished) << what;
        }
        check(root, outcome, what);
        // The next launch works.
        Outcome next;
        launch(root, next);
        EXPECT_GT(next.generation, outcome.generation);
      }
  EXPECT_GT(failed, 100);
  EXPECT_GT(survived, 10);
}

TEST(Faults, ShortTransfersAreContinued) {
  ScratchDirectory scratch;
  const OutputRoot root = OutputRoot::create(scratch.path());
  Outcome outcome;
  begin_failures({-1, 0, false, true});
  launch(root, outcome);
  check(root, outcome, "short transfers");
  (void)end_failures();
  EXPECT_TRUE(outcome.finished);
  check(root, outcome, "short transfers, read whole");
}

TEST(Faults, AFailedSyncAbandonsThePack) {
  ScratchDirectory scratch;
  const OutputRoot root = OutputRoot::create(scratch.path());
  PackWriter pack{root, 1, 0};
  (void)pack.append(object_of(0));
  begin_failures({0, EIO, false, false});
  EXPECT_THROW(pack.sync(), Error);
  (void)end_failures();
  EXPECT_TRUE(pack.abandoned());
  const std::uint64_t size = root.open_for_reading("packs/1.0.pack").size_bytes();
  EXPECT_THROW(pack.sync(), Error) << "a second fsync would falsely succeed";
  const auto error = error_of([&] { (void)pack.append(object_of(1)); });
  ASSERT_TRUE(error);
  EXPECT_TRUE(well_worded(*error)) << error->what();
  EXPECT_EQ(root.open_for_reading("packs/1.0.pack").size_bytes(), size) << "never written again";
  PackWriter other{root, 1, 1};
  EXPECT_NO_THROW((void)other.append(object_of(0)));
}

TEST(Faults, AFailedCommitAbandonsTheGeneration) {
  ScratchDirectory scratch;
  const OutputRoot root = OutputRoot::create(scratch.path());
  JournalWriter journal = JournalWriter::acquire(root, test_header());
  journal.note("x");
  begin_failures({1, EIO, false, false});  // 0 is the write
  EXPECT_THROW(journal.commit(), Error);
  EXPECT_EQ(end_failures(), (std::vector<std::string>{"pwrite", "fdatasync"}));
  const auto error = error_of([&] { journal.commit(); });
  ASSERT_TRUE(error);
  EXPECT_TRUE(well_worded(*error)) << error->what();
}

TEST(Faults, AnUnreadableSectorIsACorruptObject) {
  ScratchDirectory scratch;
  const OutputRoot root = OutputRoot::create(scratch.path());
  BundleWriter writer{1};
  writer.add_blob(0, random_bytes(10000, 1));
  PackWriter pack{root, 1, 0};
  const Location location = pack.append(writer.finish());
  pack.sync();
  const auto packs = std::make_shared<const PackReader>(root);
  const BundleReader reader{packs, location, 1, "step 0 task 0"};
  begin_failures({0, EIO, false, false});
  EXPECT_THROW((void)reader.blob(0), CorruptObject);
  (void)end_failures();
  EXPECT_EQ(reader.blob(0), random_bytes(10000, 1));
  // Not the object's fault:
  begin_failures({0, ENOMEM, false, false});
  const auto error = error_of([&] { (void)reader.blob(0); });
  (void)end_failures();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::resource);
}

// Where there are no hard links, the rename that keeps existing files does.
TEST(Faults, PublishesWithoutHardLinks) {
  ScratchDirectory scratch;
  const OutputRoot root = OutputRoot::create(scratch.path());
  for (const int error_number : {EPERM, EOPNOTSUPP, ENOSYS}) {
    const std::string name = "file" + std::to_string(error_number);
    for (int attempt = 0; attempt < 2; ++attempt) {
      begin_failures({});
      (void)root.try_publish("count" + name + std::to_string(attempt), bytes_of("x"));
      const auto calls = end_failures();
      const auto link = std::find(calls.begin(), calls.end(), "linkat") - calls.begin();
      begin_failures({static_cast<int>(link), error_number, false, false});
      const bool published = root.try_publish(name, bytes_of("content " + std::to_string(attempt)));
      (void)end_failures();
      EXPECT_EQ(published, attempt == 0);
    }
    EXPECT_EQ(root.read_file(name, 100), bytes_of("content 0"));
  }
}

}  // namespace
}  // namespace petavox::storage_test
