// Linkage of a graph of 10^8 contacts with a budget that its arrays exceed several times: it spills, ends in
// time that grows with the contacts, and leaves no two segments that should have joined. Takes minutes and 10
// GB of disk.

#include "petavox/base/hash.hpp"

#include "stages/agglomerate/linkage.hpp"

#include <map>

#include <gtest/gtest.h>

namespace petavox::agglomerate {
namespace large_graph {

constexpr std::uint32_t side = 220;
constexpr std::uint32_t num_nodes = side * side * side;

/// Neighbours on a grid: a, b = a + step for ten steps; means from all of 0 to 1, lower between cubes of 8^3.
template <class F>
void for_each_contact(F&& f) {
  constexpr std::uint32_t steps[] = {1,
                                     side - 1,
                                     side,
                                     side + 1,
                                     side * side - side,
                                     side * side - 1,
                                     side * side,
                                     side * side + 1,
                                     side * side + side,
                                     side * side + side + 1};
  const auto cube = [](std::uint32_t node) {
    return ((node / (side * side) / 8) * side + node / side % side / 8) * side + node % side / 8;
  };
  std::uint64_t key = 0;
  for (std::uint32_t a = 0; a < num_nodes; ++a)
    for (const std::uint32_t step : steps) {
      const std::uint32_t b = a + step;
      if (b >= num_nodes) continue;
      const std::uint64_t random = mix64(++key), count = 1 + (random & 15);
      const std::uint64_t most = cube(a) == cube(b) ? 65536 : 40000;
      f(Contact{a, b, count * ((random >> 8) % most), count, key});
    }
}

TEST(Linkage, AHundredMillionContactsWithinABudget) {
  const Box domain{{0, 0, 0}, {side, side, side}};
  const ReductionContext context{NodeContext{domain, domain, {1, 1, 1}, std::size_t{1} << 30}};
  ContactGraph graph{context.array<Node>(), context.array<Contact>()};
  for (std::uint32_t i = 0; i < num_nodes; ++i) graph.nodes.push_back({i + 1, 1, 0, 1});
  for_each_contact([&](const Contact& c) { graph.contacts.push_back(c); });
  const std::size_t contacts = graph.contacts.size();
  ASSERT_GE(contacts, 100'000'000U);
  ASSERT_GT(context.pool->spilled_bytes(), 0U);
  const MergeRule rule;
  const Outcome outcome = link(std::move(graph), rule, context);
  EXPECT_LE(context.pool->held_bytes(), std::size_t{1} << 30);
  EXPECT_LT(outcome.steps, 40 * contacts);
  ASSERT_EQ(outcome.fates.size(), num_nodes);
  EXPECT_EQ(outcome.rest.contacts.size(), 0U);
  const auto segment = [&](std::uint32_t node) { return outcome.fates[node].to; };
  std::size_t segments = 0;
  for (std::uint32_t i = 0; i < num_nodes; ++i) {
    ASSERT_LE(segment(i), i + 1);
    ASSERT_EQ(segment(static_cast<std::uint32_t>(segment(i) - 1)), segment(i));
    segments += segment(i) == i + 1 ? 1 : 0;
  }
  EXPECT_GT(segments, num_nodes / 512);
  EXPECT_LT(segments, num_nodes / 2);
  // What is left between segments: a part of all pairs, with whole sums.
  std::map<std::pair<Name, Name>, std::pair<std::uint64_t, std::uint64_t>> left;
  for_each_contact([&](const Contact& c) {
    const Name a = std::min(segment(c.a), segment(c.b)), b = std::max(segment(c.a), segment(c.b));
    if (a == b || mix64(a * num_nodes + b) % 256 != 0) return;
    left[{a, b}].first += c.sum;
    left[{a, b}].second += c.count;
  });
  ASSERT_GT(left.size(), 1000U);
  for (const auto& [pair, contact] : left)
    ASSERT_FALSE(reaches(contact.first, contact.second, rule.lowest())) << pair.first << " " << pair.second;
}

}  // namespace large_graph
}  // namespace petavox::agglomerate
