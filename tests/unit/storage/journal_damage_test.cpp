// Torn tails at every byte, flipped bits at every byte, pieces of other files: a replay delivers a prefix of
// what was written, never anything else.

#include "journal_fixture.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace petavox::storage_test {
namespace {

class JournalDamage : public StorageTest {
 protected:
  void SetUp() override {
    JournalWriter journal = JournalWriter::acquire(root, test_header());
    ends.push_back(journal.size_bytes());
    for (int i = 0; i < 12; ++i) {
      if (i % 4 == 0) journal.done(test_done(i));
      if (i % 4 == 1) journal.failed({{1, i}, 1, 2}, std::string(static_cast<std::size_t>(i), 'e'));
      if (i % 4 == 2) journal.done(test_done(i), "a reason");
      if (i % 4 == 3) journal.invalidated({1, i});
      journal.commit();
      ends.push_back(journal.size_bytes());
    }
    good = root.read_file("journal/1", 1 << 20);
    ASSERT_EQ(good.size(), ends.back());
    lines = replay(good).lines;
    ASSERT_EQ(lines.size(), 13U);
  }

  struct Result {
    std::vector<std::string> lines;
    ReplayReport report;
  };
  Result replay(const Bytes& bytes) {
    overwrite(root, "journal/1", bytes);
    Recorder recorder;
    const ReplayReport report = replay_journal(root, recorder);
    return {recorder.lines, report};
  }
  std::vector<std::string> first_lines(std::size_t n) const {
    return {lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(n)};
  }
  /// Records that end at or before the byte, the header included.
  std::size_t whole_records(std::size_t byte) const {
    return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), byte) - ends.begin());
  }

  Bytes good;
  std::vector<std::uint64_t> ends;  ///< of the header and of each record
  std::vector<std::string> lines;
};

TEST_F(JournalDamage, TornAtEveryByte) {
  for (std::size_t n = 0; n <= good.size(); ++n) {
    Bytes torn = good;
    torn.resize(n);
    const Result result = replay(torn);
    const std::size_t whole = whole_records(n);
    EXPECT_EQ(result.lines, first_lines(whole)) << n;
    EXPECT_EQ(result.report.unreadable, whole == 0 ? 1U : 0U);
    EXPECT_EQ(result.report.torn_tails, whole > 0 && n != ends[whole - 1] ? 1U : 0U) << n;
    EXPECT_EQ(result.report.records_lost, 0U);
  }
}

TEST_F(JournalDamage, EveryBitFlipped) {
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const Result result = replay(bad);
    const std::size_t whole = whole_records(bit / 8);
    ASSERT_EQ(result.lines, first_lines(whole)) << bit;
    if (whole == 0) {
      EXPECT_EQ(result.report.unreadable, 1U);
    } else if (whole < 12) {
      EXPECT_EQ(result.report.records_lost, 12 - whole) << bit;
    } else {
      EXPECT_EQ(result.report.torn_tails, 1U);
    }
  }
}

TEST_F(JournalDamage, TailsOfZerosAndNoise) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random{seed};
    Bytes bad = good;
    const std::size_t at = random.below(good.size() + 1);
    bad.resize(at);
    const Bytes tail = seed % 3 == 0 ? Bytes(random.below(5000)) : random_bytes(random.below(5000), seed);
    bad.insert(bad.end(), tail.begin(), tail.end());
    // Zeros can be what was cut off.
    const auto common = std::mismatch(bad.begin(), bad.end(), good.begin(), good.end()).first - bad.begin();
    EXPECT_EQ(replay(bad).lines, first_lines(whole_records(static_cast<std::size_t>(common)))) << seed;
  }
}

TEST_F(JournalDamage, RecordsOutOfPlaceAreRefused) {
  // A record removed, doubled, or moved: the number in its key does not fit.
  for (std::size_t i = 1; i < 13; ++i) {
    const auto begin = static_cast<std::ptrdiff_t>(ends[i - 1]), end = static_cast<std::ptrdiff_t>(ends[i]);
    Bytes removed = good;
    removed.erase(removed.begin() + begin, removed.begin() + end);
    EXPECT_EQ(replay(removed).lines, first_lines(i));
    Bytes doubled = good;
    doubled.insert(doubled.begin() + end, good.begin() + begin, good.begin() + end);
    EXPECT_EQ(replay(doubled).lines, first_lines(i + 1));
  }
}

TEST_F(JournalDamage, RecordsOfAnotherGenerationAreRefused) {
  JournalWriter second = JournalWriter::acquire(root, test_header());
  second.note("from 2");
  second.commit();
  const Bytes other = root.read_file("journal/2", 1 << 20);
  root.remove("journal/2");
  EXPECT_EQ(replay(other).report.unreadable, 1U) << "a whole file under another number";
  Bytes mixed = good;
  mixed.insert(mixed.end(), other.begin() + 8, other.end());
  EXPECT_EQ(replay(mixed).lines, lines);
}

TEST_F(JournalDamage, NoiseFilesDoNoHarm) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Random random{seed};
    Bytes noise = random_bytes(random.below(3000), seed);
    if (noise.size() > 30) std::memcpy(noise.data(), "PVXJRNL1", 8);
    // Lengths that promise gigabytes.
    if (noise.size() > 30 && seed % 2 == 0) std::memset(noise.data() + 8, 0xff, 3);
    const Result result = replay(noise);
    EXPECT_EQ(result.report.unreadable, 1U);
    EXPECT_TRUE(result.lines.empty());
    EXPECT_FALSE(read_journal_header(root, 1));
  }
}

// Every position looks like the start of a long record: the work must stay in proportion to the file.
TEST_F(JournalDamage, AHostileFileCannotMakeItSlow) {
  Bytes bad = good;
  bad.resize(ends[1]);
  ByteWriter tail;
  for (std::uint32_t i = 0; i < 1 << 18; ++i) {
    tail.put(std::uint32_t{60000 | 2U << 24});
    tail.put(std::uint32_t{i + 2});
  }
  const Bytes more = tail.take();
  bad.insert(bad.end(), more.begin(), more.end());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(replay(bad).lines, first_lines(2));
  // A hang limit: unbounded, it would hash 15 GB.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{20});
}

}  // namespace
}  // namespace petavox::storage_test
