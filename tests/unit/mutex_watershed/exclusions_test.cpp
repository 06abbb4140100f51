#include "stages/mutex_watershed/exclusions.hpp"

#include "petavox/testing/partition.hpp"

#include <map>
#include <set>

#include <gtest/gtest.h>

namespace petavox::mutex_watershed {
namespace {

/// Random clusters that exclude each other and merge, against sets of pairs.
void compare_with_sets(std::uint64_t seed, std::size_t steps, std::uint64_t most_clusters) {
  testing::Random random{seed};
  Exclusions exclusions;
  std::map<Handle, std::set<Handle>> expected;
  const auto any = [&] {
    auto at = expected.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random.below(expected.size())));
    return at->first;
  };
  for (std::size_t step = 0; step < steps; ++step) {
    if (expected.size() < 2 || (expected.size() < most_clusters && random.below(4) == 0)) {
      const Handle h = exclusions.make();
      ASSERT_NE(h, 0U);
      ASSERT_TRUE(expected.emplace(h, std::set<Handle>{}).second);
      continue;
    }
    // A hub now and then: its set grows into a table and shrinks again.
    const Handle a = random.below(3) == 0 ? expected.begin()->first : any(), b = any();
    if (a == b) continue;
    ASSERT_EQ(exclusions.excluded(a, b), expected[a].contains(b)) << "seed " << seed << ", step " << step;
    ASSERT_EQ(exclusions.excluded(b, a), expected[a].contains(b));
    if (random.below(8) != 0) {
      exclusions.exclude(a, b);
      expected[a].insert(b);
      expected[b].insert(a);
    } else if (!expected[a].contains(b)) {
      const Handle both = exclusions.merge(a, b), gone = both == a ? b : a;
      ASSERT_TRUE(both == a || both == b);
      for (const Handle partner : expected[gone]) {
        expected[partner].erase(gone);
        expected[partner].insert(both);
        expected[both].insert(partner);
      }
      expected.erase(gone);
    }
  }
  for (const auto& [a, partners] : expected)
    for (const auto& [b, unused] : expected)
      if (a != b) {
        ASSERT_EQ(exclusions.excluded(a, b), partners.contains(b)) << "seed " << seed;
      }
}

TEST(Exclusions, EqualSetsOfPairs) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) compare_with_sets(seed, 4000, 6 + seed * 4);
}

TEST(Exclusions, SetsOfEverySizeKeepTheirMembers) {
  Exclusions exclusions;
  const Handle hub = exclusions.make();
  std::vector<Handle> others;
  for (int i = 0; i < 300; ++i) {
    others.push_back(exclusions.make());
    exclusions.exclude(others.back(), hub);
    for (const Handle other : others) ASSERT_TRUE(exclusions.excluded(hub, other));
  }
  EXPECT_FALSE(exclusions.excluded(others[0], others[1]));
}

TEST(Exclusions, MergedHandlesAndBlocksAreUsedAgain) {
  Exclusions exclusions;
  std::size_t held = 0;
  const Handle hub = exclusions.make();
  Handle all = exclusions.make();
  for (int round = 0; round < 200; ++round) {
    std::vector<Handle> others;
    for (int i = 0; i < 1000; ++i) exclusions.exclude(hub, others.emplace_back(exclusions.make()));
    for (const Handle other : others) all = exclusions.merge(all, other);
    if (round == 0) held = exclusions.held_bytes();
  }
  EXPECT_EQ(exclusions.held_bytes(), held);
}

}  // namespace
}  // namespace petavox::mutex_watershed
