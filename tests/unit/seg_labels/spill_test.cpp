#include "petavox/reduce/spill.hpp"

#include <filesystem>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace petavox {
namespace {

TEST(SpillVector, StaysInMemoryBelowTheBudgetAndMovesToAFileAbove) {
  const auto pool = std::make_shared<SpillPool>(std::size_t{64} << 10, "");
  SpillVector<std::uint64_t> values{pool};
  for (std::uint64_t i = 0; i < 1000; ++i) values.push_back(i);
  EXPECT_FALSE(values.spilled());
  EXPECT_GT(pool->held_bytes(), 0U);
  for (std::uint64_t i = 1000; i < 1000000; ++i) values.push_back(i);
  EXPECT_TRUE(values.spilled());
  EXPECT_EQ(pool->held_bytes(), 0U);
  EXPECT_GE(pool->spilled_bytes(), values.size() * 8);
  for (std::uint64_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i);

  const auto copy = values.clone();
  EXPECT_TRUE(std::ranges::equal(copy.span(), values.span()));
  SpillVector<std::uint64_t> moved{std::move(values)};
  EXPECT_EQ(moved.size(), 1000000U);
  EXPECT_EQ(values.size(), 0U);  // NOLINT(bugprone-use-after-move): empty is promised
  moved = {};
  EXPECT_LT(pool->spilled_bytes(), 2 * copy.size() * 8);
}

TEST(SpillVector, ExtendsByZerosInFewMoves) {
  const auto pool = std::make_shared<SpillPool>(std::size_t{64} << 10, "");
  SpillVector<std::uint64_t> values{pool};
  int moves = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const std::uint64_t held = pool->held_bytes() + pool->spilled_bytes();
    values.extend(3);
    moves += pool->held_bytes() + pool->spilled_bytes() != held ? 1 : 0;
    ASSERT_EQ(values.size(), 3 * (i + 1));
    ASSERT_EQ(values.back(), 0U);
    values.back() = i + 1;
  }
  EXPECT_TRUE(values.spilled());
  EXPECT_LT(moves, 50);
  for (std::uint64_t i = 0; i < 10000; ++i) ASSERT_EQ(values[3 * i + 2], i + 1);
}

TEST(SpillVector, AppendsWhatIsWrittenIntoLittleRoom) {
  const auto pool = std::make_shared<SpillPool>(std::size_t{1} << 20, "");
  SpillVector<std::uint32_t> values{pool};
  for (std::uint32_t i = 0; i < 10000; ++i)
    values.append_at_most(3, [&](std::uint32_t* to) {
      for (std::uint32_t k = 0; k < i % 4; ++k) *to++ = i;
      return to;
    });
  ASSERT_EQ(values.size(), 15000U);
  EXPECT_LT(pool->held_bytes(), values.size() * 4 * 9 / 8 + 32);
  EXPECT_GE(pool->most_held_bytes(), pool->held_bytes());
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < 10000; ++i)
    for (std::uint32_t k = 0; k < i % 4; ++k) ASSERT_EQ(values[at++], i);
  const std::size_t most = pool->most_held_bytes();
  values = {};
  EXPECT_EQ(pool->most_held_bytes(), most);
}

TEST(SpillVector, SharesOneBudget) {
  const auto pool = std::make_shared<SpillPool>(8000, "");
  SpillVector<std::uint64_t> a{pool}, b{pool};
  a.resize(900);
  b.resize(900);
  EXPECT_FALSE(a.spilled());
  EXPECT_TRUE(b.spilled());
  a = {};
  SpillVector<std::uint64_t> c{pool};
  c.resize(900, 7);
  EXPECT_FALSE(c.spilled());
  EXPECT_EQ(c[899], 7U);
}

TEST(SpillVector, LeavesNoFileBehind) {
  const auto dir = std::filesystem::temp_directory_path() / "petavox_spill_test";
  std::filesystem::create_directories(dir);
  {
    const auto pool = std::make_shared<SpillPool>(0, dir.string());
    SpillVector<std::uint32_t> values{pool};
    values.resize(100000, 3);
    EXPECT_TRUE(values.spilled());
    EXPECT_TRUE(std::filesystem::is_empty(dir));
  }
  std::filesystem::remove(dir);
}

TEST(SpillVector, SaysWhereItCouldNotSpill) {
  const auto pool = std::make_shared<SpillPool>(0, "/nonexistent/scratch");
  SpillVector<std::uint32_t> values{pool};
  try {
    values.push_back(1);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::resource);
    EXPECT_NE(std::string{e.what()}.find("/nonexistent/scratch"), std::string::npos);
    EXPECT_NE(std::string{e.what()}.find("memory.reduction"), std::string::npos);
  }
}

TEST(SpillVector, WithoutAPoolNeverSpills) {
  SpillVector<std::uint64_t> values;
  values.resize(100000, 1);
  EXPECT_FALSE(values.spilled());
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::uint64_t{0}), 100000U);
}

}  // namespace
}  // namespace petavox
