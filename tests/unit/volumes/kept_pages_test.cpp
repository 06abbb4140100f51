#include "petavox/memory/kept_pages.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace petavox {
namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

std::byte* filled(KeptPages& pages, std::size_t bytes, int value) {
  auto* const memory = static_cast<std::byte*>(pages.allocate(bytes, false));
  if (memory != nullptr) std::memset(memory, value, bytes);
  return memory;
}

bool all_zero(const std::byte* memory, std::size_t bytes) {
  return std::all_of(memory, memory + bytes, [](std::byte b) { return b == std::byte{0}; });
}

TEST(KeptPages, GivesWhatWasFreedAgain) {
  KeptPages pages;
  std::byte* const first = filled(pages, 40 * mib, 1);
  ASSERT_NE(first, nullptr);
  EXPECT_TRUE(pages.owns(first));
  EXPECT_FALSE(pages.owns(&pages));
  pages.free(first);
  const auto kept = pages.bytes().kept;
  EXPECT_GE(kept, 40 * mib);
  EXPECT_EQ(pages.bytes().in_use, 0U);
  std::byte* const second = filled(pages, 30 * mib, 2);
  EXPECT_EQ(pages.bytes().kept + pages.bytes().in_use, kept);
  pages.free(second);
}

TEST(KeptPages, ZeroedMemoryIsZeroWhateverWasThere) {
  KeptPages pages;
  std::byte* const before = filled(pages, 20 * mib, 7);
  pages.free(before);
  auto* const after = static_cast<std::byte*>(pages.allocate(35 * mib, true));
  EXPECT_TRUE(all_zero(after, 35 * mib));
  pages.free(after);
}

// What is kept and in use is never more than was in use at once.
TEST(KeptPages, KeepsWithinThePeak) {
  KeptPages pages;
  std::mt19937 random{1};
  std::vector<std::pair<std::byte*, std::size_t>> held;
  std::size_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    if (held.size() > 12 || (!held.empty() && random() % 2 == 0)) {
      std::swap(held[random() % held.size()], held.back());
      const auto [memory, bytes] = held.back();
      // Both ends hold what was written: nothing else lies there.
      ASSERT_EQ(memory[0], std::byte{static_cast<unsigned char>(bytes % 251)});
      ASSERT_EQ(memory[bytes - 1], memory[0]);
      pages.free(memory);
      held.pop_back();
    } else {
      const std::size_t bytes = mib + random() % (random() % 4 == 0 ? 30 * mib : 4 * mib);
      auto* const memory = static_cast<std::byte*>(pages.allocate(bytes, i % 3 == 0));
      ASSERT_NE(memory, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % KeptPages::alignment, 0U);
      if (i % 3 == 0) {
        ASSERT_EQ(memory[0], std::byte{0});
        ASSERT_EQ(memory[bytes / 2], std::byte{0});
      }
      memory[0] = memory[bytes - 1] = std::byte{static_cast<unsigned char>(bytes % 251)};
      held.emplace_back(memory, bytes);
    }
    most = std::max(most, pages.bytes().in_use);
    ASSERT_LE(pages.bytes().in_use + pages.bytes().kept, most);
  }
  for (const auto& [memory, bytes] : held) pages.free(memory);
  pages.release();
  EXPECT_EQ(pages.bytes().kept, 0U);
}

TEST(KeptPages, WhatCannotBeHeldIsRefused) {
  KeptPages pages;
  EXPECT_EQ(pages.allocate(std::size_t{1} << 46, false), nullptr);
  EXPECT_EQ(pages.allocate(~std::size_t{0} - 100, true), nullptr);
}

[[noreturn]] void end_with_whether_anything_is_handed_out() {
  const rlimit limit{RLIM_INFINITY - 1, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_AS, &limit) != 0) std::exit(2);
  KeptPages pages;
  std::exit(pages.allocate(4 * mib, false) == nullptr ? 0 : 1);
}

// What is reserved would be missing elsewhere.
TEST(KeptPages, NothingIsHandedOutWhereAddressSpaceIsLimited) {
  EXPECT_EXIT(end_with_whether_anything_is_handed_out(), testing::ExitedWithCode(0), "");
}

TEST(KeptPages, ThreadsShareThem) {
  KeptPages pages;
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const std::size_t bytes = (1 + static_cast<std::size_t>((i * 7 + t) % 10)) * mib;
        std::byte* const memory = filled(pages, bytes, t + 1);
        if (memory == nullptr || memory[bytes / 2] != std::byte{static_cast<unsigned char>(t + 1)}) ++wrong;
        pages.free(memory);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pages.bytes().in_use, 0U);
}

}  // namespace
}  // namespace petavox
