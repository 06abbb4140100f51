#include "petavox/io/chunk_cache.hpp"

#include "storage_fixture.hpp"

#include <atomic>
#include <thread>

namespace petavox::storage_test {
namespace {

ChunkKey key(std::uint64_t chunk) { return {1, 2, 3, 4, 5, chunk}; }
std::shared_ptr<const Bytes> chunk_of(std::size_t n, unsigned value) {
  return std::make_shared<const Bytes>(n, static_cast<std::byte>(value));
}

TEST(ChunkCache, DropsWhatWasNotUsedForLongest) {
  ChunkCache cache{300};
  for (unsigned i = 0; i < 3; ++i) cache.insert(key(i), chunk_of(100, i));
  EXPECT_TRUE(cache.find(key(0)));  // now 1 is the oldest
  cache.insert(key(3), chunk_of(100, 3));
  EXPECT_FALSE(cache.find(key(1)));
  for (const unsigned i : {0U, 2U, 3U}) {
    const auto found = cache.find(key(i));
    ASSERT_TRUE(found);
    EXPECT_EQ((*found)[0], static_cast<std::byte>(i));
  }
  EXPECT_EQ(cache.statistics().size_bytes, 300U);
  EXPECT_EQ(cache.statistics().num_chunks, 3U);
  EXPECT_EQ(cache.statistics().misses, 1U);
  EXPECT_EQ(cache.statistics().hits, 4U);
}

TEST(ChunkCache, KeepsItsBudget) {
  ChunkCache cache{1000};
  Random random{1};
  for (std::uint64_t i = 0; i < 500; ++i) {
    cache.insert(key(i), chunk_of(random.below(400), 1));
    EXPECT_LE(cache.statistics().size_bytes, 1000U);
  }
  cache.insert(key(1000), chunk_of(1001, 1));
  EXPECT_FALSE(cache.find(key(1000))) << "larger than the budget";
  cache.clear();
  EXPECT_EQ(cache.statistics().size_bytes, 0U);
  ChunkCache none{0};
  none.insert(key(1), chunk_of(1, 1));
  EXPECT_FALSE(none.find(key(1)));
}

TEST(ChunkCache, EveryPartOfTheKeyCounts) {
  ChunkCache cache{1000};
  const ChunkKey base{1, 1, 1, 1, 1, 1};
  cache.insert(base, chunk_of(1, 7));
  for (int i = 0; i < 6; ++i) {
    ChunkKey other = base;
    (i == 0 ? other.generation : i == 1 ? other.writer : i == 2 ? other.part : other.face) += i < 4 ? 1 : 0;
    if (i == 4) other.offset = 2;
    if (i == 5) other.chunk = 2;
    EXPECT_FALSE(cache.find(other)) << i;
  }
}

TEST(ChunkCache, IsThreadSafe) {
  ChunkCache cache{5000};
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Random random{t};
      for (int i = 0; i < 5000; ++i) {
        const std::uint64_t n = random.below(100);
        if (const auto found = cache.find(key(n))) {
          if ((*found)[0] != static_cast<std::byte>(n)) ++wrong;
        } else {
          cache.insert(key(n), chunk_of(100, static_cast<unsigned>(n)));
        }
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.statistics().size_bytes, 5000U);
}

}  // namespace
}  // namespace petavox::storage_test
