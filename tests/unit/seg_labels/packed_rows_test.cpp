#include "petavox/reduce/packed_rows.hpp"

#include "petavox/reduce/root_sets.hpp"
#include "petavox/testing/random_inputs.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace petavox {
namespace {

struct TwoNumbers {
  std::uint64_t name = 0, root = 0;
  friend bool operator==(const TwoNumbers&, const TwoNumbers&) = default;
};

ReductionContext with_memory(std::size_t bytes) {
  NodeContext node;
  node.memory_bytes = bytes;
  return ReductionContext{node};
}

std::vector<TwoNumbers> some_rows(std::size_t count) {
  testing::Random random{4};
  std::vector<TwoNumbers> rows{{~std::uint64_t{0}, 0}, {0, ~std::uint64_t{0}}, {1, std::uint64_t{1} << 63}};
  while (rows.size() < count)
    rows.push_back({random.below(1 + (std::uint64_t{1} << random.below(64))), random.below(300)});
  return rows;
}

std::vector<TwoNumbers> read_back(const PackedRows<TwoNumbers>& packed) {
  std::vector<TwoNumbers> rows;
  for (const TwoNumbers& row : packed) rows.push_back(row);
  return rows;
}

TEST(PackedRows, AreTheRowsThatWereAddedInMemoryAndInAFile) {
  const std::vector<TwoNumbers> rows = some_rows(20000);
  for (const std::size_t memory : {std::size_t{1} << 30, std::size_t{0}}) {
    const ReductionContext context = with_memory(memory);
    PackedRows<TwoNumbers> packed{context};
    EXPECT_TRUE(packed.empty() && packed.begin() == packed.end());
    for (const TwoNumbers& row : rows) packed.push_back(row);
    EXPECT_EQ(packed.size(), rows.size());
    EXPECT_EQ(read_back(packed), rows);
    EXPECT_EQ(context.pool->spilled_bytes() > 0, memory == 0);
    // Room that is not filled would not be worth the packing.
    EXPECT_LT(context.pool->held_bytes(), packed.bytes() * 9 / 8 + 100);
  }
}

TEST(PackedRows, OfNearNumbersTakeAFewBytes) {
  PackedRows<TwoNumbers> packed;
  for (std::uint64_t i = 0; i < 10000; ++i) packed.push_back({(std::uint64_t{1} << 40) + 20 * i, i});
  EXPECT_LT(packed.bytes(), 2 * packed.size() + 10);
}

TEST(PackedRows, PackAndUnpackOrAreRefused) {
  const ReductionContext context = with_memory(std::size_t{1} << 20);
  const std::vector<TwoNumbers> rows = some_rows(50);
  PackedRows<TwoNumbers> packed{context};
  for (const TwoNumbers& row : rows) packed.push_back(row);
  ByteWriter writer;
  packed.pack(writer);
  const Bytes good = writer.bytes();
  ByteReader reader{good};
  EXPECT_EQ(read_back(PackedRows<TwoNumbers>::unpack(reader, context)), rows);
  EXPECT_TRUE(reader.done());
  for (std::size_t size = 0; size < good.size(); ++size) {
    ByteReader cut{std::span{good.data(), size}};
    EXPECT_THROW(PackedRows<TwoNumbers>::unpack(cut, context), Error);
  }
  for (const int change : {-1, 1}) {  // in the number of rows
    Bytes bad = good;
    bad[0] = static_cast<std::byte>(static_cast<int>(bad[0]) + change);
    ByteReader damaged{bad};
    EXPECT_THROW(PackedRows<TwoNumbers>::unpack(damaged, context), Error);
  }
}

template <class Index>
class RootSetsOf : public ::testing::Test {};
using Indices = ::testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(RootSetsOf, Indices);

TYPED_TEST(RootSetsOf, NumbersSetsInTheOrderInWhichTheyAreAskedFor) {
  constexpr std::size_t size = 3000;
  testing::Random random{5};
  RootSets<TypeParam> sets{size, nullptr};
  std::vector<std::size_t> set_of(size);  // the same, by renaming all
  for (std::size_t i = 0; i < size; ++i) set_of[i] = i;
  for (int k = 0; k < 2500; ++k) {
    const std::size_t a = random.below(size), b = random.below(size);
    sets.join(a, b);
    std::replace(set_of.begin(), set_of.end(), std::size_t{set_of[a]}, std::size_t{set_of[b]});
  }
  std::vector<std::size_t> number_of(size, size);
  std::size_t count = 0;
  for (int round = 0; round < 3; ++round)
    for (std::size_t k = 0; k < size; ++k) {
      const std::size_t i = k * 1009 % size;
      if (number_of[set_of[i]] == size) number_of[set_of[i]] = count++;
      ASSERT_EQ(sets.number(i), number_of[set_of[i]]);
    }
  EXPECT_EQ(sets.count(), count);
  EXPECT_LT(count, size);
}

}  // namespace
}  // namespace petavox
