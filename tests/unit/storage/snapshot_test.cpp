// Snapshots of the journal: they say what the journal says, or are not used.

#include "petavox/io/snapshot.hpp"

#include "journal_fixture.hpp"

namespace petavox::storage_test {
namespace {

const std::vector<std::int64_t> sizes{700, 0, 1500, 3};  // pages hold parts of several steps

class SnapshotTest : public StorageTest {
 protected:
  IndexedResult result_of(TaskId task) const {
    const auto n = static_cast<std::uint64_t>(task.step * 10000 + task.index);
    if (n % 5 == 0) return {{}, done_skipped};
    return {{1, static_cast<std::uint32_t>(n % 3), n * 100, 100, mix64(n)}, 0};
  }
  static bool is_done(TaskId task) { return task.step != 2 || task.index < 100 || task.index % 7 == 0; }
  template <class F>
  static void each_done(F&& f) {
    for (std::size_t s = 0; s < sizes.size(); ++s)
      for (std::int64_t i = 0; i < sizes[s]; ++i)
        if (const TaskId task{static_cast<std::int64_t>(s), i}; is_done(task)) f(task);
  }
  SnapshotContent content() const {
    return {
        {{1, 2}, {3, 4}, {5, 6}, {7, 8}}, sizes, {{1, 20, 3000}, {2, 5, 900}}, {{{2, 4}, 0, 7}}, {{1, 3}}};
  }
  void fill(ResultIndex& index) {
    num_done.assign(sizes.size(), 0);
    each_done([&](TaskId task) {
      index.put(task, result_of(task));
      ++num_done[static_cast<std::size_t>(task.step)];
    });
  }
  std::shared_ptr<Snapshot> open() { return Snapshot::open_newest(root, content().steps, sizes); }

  std::vector<std::int64_t> num_done;
};

TEST_F(SnapshotTest, HoldsWhatTheIndexHeld) {
  {
    ResultIndex index{root, 3, sizes, 0};
    fill(index);
    EXPECT_TRUE(write_snapshot(root, 3, content(), index, num_done));
  }
  const auto snapshot = open();
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->name(), "snapshots/3.1");
  EXPECT_EQ(snapshot->content().covered, content().covered);
  EXPECT_EQ(snapshot->content().lost, content().lost);
  EXPECT_EQ(snapshot->content().collected, content().collected);
  ASSERT_EQ(snapshot->packs().size(), 8U) << "of each step and writer that has results";
  EXPECT_EQ(snapshot->packs().back(), (SnapshotPack{1, 2, 3}));
  const FinishedTasks finished = snapshot->take_finished();
  ResultIndex index{root, 4, sizes, 30000};
  index.set_base(snapshot, [] { FAIL() << "nothing is damaged"; });
  std::int64_t total = 0;
  each_done([&](TaskId task) {
    ++total;
    EXPECT_TRUE(finished.contains(task));
    EXPECT_EQ(index.get(task), result_of(task));
  });
  EXPECT_EQ(finished.total(), total);
  EXPECT_FALSE(index.get({2, 101}));
  // Changes stay in the index, whatever is evicted.
  index.erase({0, 1});
  index.put({2, 101}, result_of({2, 101}));
  for (const std::int64_t i : {600L, 10L, 400L}) (void)index.get({2, i * 2});
  EXPECT_FALSE(index.get({0, 1}));
  EXPECT_EQ(index.get({2, 101}), result_of({2, 101}));
  EXPECT_EQ(index.get({0, 2}), result_of({0, 2})) << "the rest of a changed page";
}

TEST_F(SnapshotTest, OnlyTheNewestStays) {
  ResultIndex index{root, 2, sizes};
  fill(index);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(write_snapshot(root, 2, content(), index, num_done));
  EXPECT_EQ(root.list("snapshots"), (std::vector<std::string>{"2.3"}));
  EXPECT_TRUE(write_snapshot(root, 10, content(), index, num_done));
  EXPECT_EQ(root.list("snapshots"), (std::vector<std::string>{"10.1"}));
}

TEST_F(SnapshotTest, OfANewerMasterIsNotRemoved) {
  ResultIndex index{root, 10, sizes};
  fill(index);
  EXPECT_TRUE(write_snapshot(root, 10, content(), index, num_done));
  EXPECT_TRUE(write_snapshot(root, 2, content(), index, num_done));
  EXPECT_EQ(root.list("snapshots"), (std::vector<std::string>{"10.1", "2.1"}));
}

TEST_F(SnapshotTest, WritingGivesSignsOfLife) {
  ResultIndex index{root, 2, sizes};
  fill(index);
  int signs = 0;
  EXPECT_TRUE(write_snapshot(root, 2, content(), index, num_done, [&] { ++signs; }));
  EXPECT_GT(signs, 0);
}

TEST_F(SnapshotTest, AnIncompleteIndexIsNotWritten) {
  ResultIndex index{root, 2, sizes};
  fill(index);
  EXPECT_TRUE(write_snapshot(root, 2, content(), index, num_done));
  index.erase({0, 5});
  EXPECT_FALSE(write_snapshot(root, 2, content(), index, num_done));
  EXPECT_EQ(root.list("snapshots"), (std::vector<std::string>{"2.1"})) << "the older one stays";
}

TEST_F(SnapshotTest, OfOtherStepsIsNotUsed) {
  ResultIndex index{root, 2, sizes};
  fill(index);
  EXPECT_TRUE(write_snapshot(root, 2, content(), index, num_done));
  auto steps = content().steps;
  steps[2].low ^= 1;
  EXPECT_FALSE(Snapshot::open_newest(root, steps, sizes));
  auto others = sizes;
  ++others[3];
  EXPECT_FALSE(Snapshot::open_newest(root, content().steps, others));
  EXPECT_TRUE(open());
}

TEST_F(SnapshotTest, AnOlderOneIsUsedIfTheNewestIsDamaged) {
  ResultIndex index{root, 2, sizes};
  fill(index);
  EXPECT_TRUE(write_snapshot(root, 2, content(), index, num_done));
  overwrite(root, "snapshots/2.2", bytes_of("PVXSNAP1 and nothing"));
  ASSERT_TRUE(open());
  EXPECT_EQ(open()->name(), "snapshots/2.1");
}

// Whatever byte is damaged and wherever the file ends: results are right, or the refill brings them.
TEST_F(SnapshotTest, DamageAnywhereIsFound) {
  {
    ResultIndex index{root, 2, sizes};
    fill(index);
    ASSERT_TRUE(write_snapshot(root, 2, content(), index, num_done));
  }
  const Bytes good = root.read_file("snapshots/2.1", 1 << 20);
  std::size_t refused = 0, refilled = 0, untouched = 0;
  const auto check = [&](const Bytes& bytes) {
    overwrite(root, "snapshots/2.1", bytes);
    const auto snapshot = open();
    if (!snapshot) {
      ++refused;
      return;
    }
    ResultIndex index{root, static_cast<std::uint32_t>(3 + refused + refilled + untouched), sizes};
    bool again = false;
    index.set_base(snapshot, [&] {
      again = true;
      each_done([&](TaskId task) { index.put(task, result_of(task)); });
    });
    each_done([&](TaskId task) { ASSERT_EQ(index.get(task), result_of(task)); });
    EXPECT_FALSE(index.get({2, 101}));
    ++(again ? refilled : untouched);
  };
  Random random{1};
  for (int i = 0; i < 120; ++i) {
    Bytes bytes = good;
    bytes[i < 40 ? static_cast<std::size_t>(i) : random.below(bytes.size())] ^= std::byte{0x20};
    check(bytes);
  }
  for (int i = 0; i < 30; ++i) {
    Bytes bytes = good;
    bytes.resize(random.below(bytes.size()));
    check(bytes);
  }
  {
    // Two pages exchanged.
    Bytes bytes = good;
    const auto begin = bytes.begin() + 4096;
    std::swap_ranges(begin, begin + static_cast<std::ptrdiff_t>(result_page_bytes),
                     begin + static_cast<std::ptrdiff_t>(result_page_bytes));
    check(bytes);
  }
  EXPECT_GT(refused, 30U);
  EXPECT_GT(refilled, 30U);
  check(good);
}

TEST_F(SnapshotTest, JournalsAreReadFromWhereItEnds) {
  JournalWriter journal = JournalWriter::acquire(root, test_header());
  for (int i = 0; i < 5; ++i) journal.done(test_done(i));
  journal.commit();
  const JournalPosition here = journal.position();
  for (int i = 5; i < 8; ++i) journal.done(test_done(i));
  journal.commit();
  Recorder recorder;
  const ReplayReport report = replay_journal(root, recorder, {here});
  EXPECT_EQ(recorder.lines, (std::vector<std::string>{"generation 1", "done step 2 task 5 ",
                                                      "done step 2 task 6 ", "done step 2 task 7 "}));
  EXPECT_EQ(report.records, 3U);
  ASSERT_EQ(report.ends.size(), 1U);
  EXPECT_EQ(report.ends[0], journal.position());
  // What lies before is not read: damage there does not matter.
  Bytes bytes = root.read_file("journal/1", 1 << 20);
  bytes[here.offset - 50] ^= std::byte{1};
  overwrite(root, "journal/1", bytes);
  Recorder again;
  EXPECT_EQ(replay_journal(root, again, {here}).records, 3U);
  EXPECT_EQ(replay_journal(root, again).records, 4U);
}

}  // namespace
}  // namespace petavox::storage_test
