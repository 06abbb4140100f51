#include "petavox/reduce/name_union.hpp"

#include "petavox/testing/partition.hpp"

#include <map>

#include <gtest/gtest.h>

namespace petavox {
namespace {

TEST(NameUnion, TheSmallestNameIsCanonicalWhateverTheOrder) {
  testing::Random random{7};
  for (int round = 0; round < 200; ++round) {
    std::vector<NamePair> pairs;
    const std::uint64_t names = 2 + random.below(40);
    for (std::uint64_t i = 0; i < names; ++i)
      pairs.push_back({1 + random.below(names) * 1000003, 1 + random.below(names) * 1000003});
    // The definition: repeat until nothing changes.
    std::map<Name, Name> expected;
    for (const auto& [a, b] : pairs) expected[a] = a, expected[b] = b;
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [a, b] : pairs) {
        const Name least = std::min(expected[a], expected[b]);
        changed = changed || expected[a] != least || expected[b] != least;
        expected[a] = expected[b] = least;
      }
    }
    random.shuffle(pairs);
    NameUnion sets;
    sets.unite(pairs);
    EXPECT_EQ(sets.size(), expected.size());
    for (const auto& [name, canonical] : expected) EXPECT_EQ(sets.find(name), canonical);
    sets.for_each([&](Name name, Name canonical) { EXPECT_EQ(expected.at(name), canonical); });
  }
}

TEST(NameUnion, UnknownNamesAreTheirOwn) {
  NameUnion sets;
  EXPECT_EQ(sets.find(42), 42U);
  EXPECT_EQ(sets.size(), 0U);
}

}  // namespace
}  // namespace petavox
