// The pieces of linkage by themselves: fixed-point means, the contact index, packed graphs, high degrees.

#include "stages/agglomerate/linkage.hpp"

#include "petavox/testing/partition.hpp"

#include "stages/agglomerate/contact_index.hpp"
#include "stages/agglomerate/merge_queue.hpp"
#include "stages/agglomerate/rounds.hpp"

#include "oracle.hpp"

#include <set>

#include <gtest/gtest.h>

namespace petavox::agglomerate {
namespace {

using testing::Random;

const Box whole{{0, 0, 0}, {200, 200, 200}};
ReductionContext root_context() { return ReductionContext{NodeContext{whole, whole}}; }

template <class Low>
void check_means(std::uint64_t most_count) {
  Random random{3};
  for (int i = 0; i < 200000; ++i) {
    Contact a, b;
    a.count = 1 + random.next() % most_count;
    b.count = 1 + random.next() % most_count;
    a.sum =
        random.below(3) == 0 ? a.count * 65535 : a.count * (random.next() % 65535) + random.next() % a.count;
    // Half of the time as near to the other mean as integers allow.
    b.sum =
        random.below(2) == 0
            ? static_cast<std::uint64_t>(static_cast<uint128>(a.sum) * b.count / a.count) + random.below(2)
            : b.count * (random.next() % 65536);
    b.sum = std::min(b.sum, b.count * 65535);
    const auto mean_a = Mean<Low>::of(a.sum, a.count), mean_b = Mean<Low>::of(b.sum, b.count);
    const uint128 left = static_cast<uint128>(a.sum) * b.count, right = static_cast<uint128>(b.sum) * a.count;
    ASSERT_EQ(left < right, mean_a < mean_b) << a.sum << "/" << a.count << " " << b.sum << "/" << b.count;
    ASSERT_EQ(left == right, mean_a == mean_b);
  }
}
/// By long division in 128 bits.
Mean<std::uint32_t> mean_by_integers(std::uint64_t sum, std::uint64_t count) {
  uint128 rest = sum;
  const auto digits = [&](int bits) {
    const auto whole = static_cast<std::uint64_t>(rest / count);
    rest = rest % count << bits;
    return whole;
  };
  const std::uint64_t whole = digits(48), middle = digits(32);
  return {whole << 48 | middle, static_cast<std::uint32_t>(digits(0))};
}
TEST(Mean, IsThatOfIntegers) {
  Random random{5};
  const auto check = [](std::uint64_t sum, std::uint64_t count) {
    ASSERT_EQ(Mean<std::uint32_t>::of(sum, count), mean_by_integers(sum, count)) << sum << "/" << count;
    ASSERT_EQ(whole_mean(sum, count), sum / count) << sum << "/" << count;
  };
  for (std::uint64_t count = 1; count < 300; ++count)
    for (std::uint64_t sum = 0; sum <= 3 * count; ++sum) check(sum, count);
  for (std::uint64_t count = 0xff00; count < 0x10100; ++count)  // on both sides of 2^16
    for (const std::uint64_t whole : {0ULL, 1ULL, 4096ULL, 65535ULL})
      for (const std::uint64_t rest : {std::uint64_t{0}, std::uint64_t{1}, count / 2, count - 1})
        check(whole * count + rest, count);
  for (int i = 0; i < 2000000; ++i) {
    const std::uint64_t count = 1 + random.next() % (random.below(2) == 0 ? 0xffffU : 0xfffU);
    check(random.next() % (count << 16), count);
  }
}
TEST(Mean, OrdersFractionsExactly) {
  for (const int bits : {1, 8, 15, 16, 17, 24, 39})
    check_means<std::uint32_t>((std::uint64_t{1} << bits) - 1);
  for (const int bits : {1, 16, 40, 47}) check_means<std::uint64_t>((std::uint64_t{1} << bits) - 1);
}

TEST(ContactIndex, AgreesWithAMap) {
  Random random{9};
  const ReductionContext context = root_context();
  SpillVector<Contact> contacts;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> expected;
  for (std::uint32_t a = 0; a < 40; ++a)
    for (std::uint32_t b = a + 1; b < 40; ++b) contacts.push_back({a, b, 1, 1, 0});
  ContactIndex index{contacts, 200, context};
  for (int step = 0; step < 100000; ++step) {
    const auto c = static_cast<std::uint32_t>(random.below(contacts.size()));
    const std::uint32_t a = contacts[c].a, b = contacts[c].b;
    const auto found = expected.find({a, b});
    ASSERT_EQ(index.find(a, b), found == expected.end() ? ContactIndex::none : c);
    ASSERT_EQ(index.find(b, a), found == expected.end() ? ContactIndex::none : c);
    if (found != expected.end()) {
      index.erase(b, a, c);
      expected.erase(found);
    } else if (expected.size() < 200) {
      index.insert(a, b, c);
      expected[{a, b}] = c;
    }
  }
}

TEST(NodeQueues, AgreeWithSortedLists) {
  Random random{4};
  NodeQueues<std::uint32_t> queues{5, root_context()};
  std::map<std::uint32_t, std::vector<Ranked<std::uint32_t>>> expected;
  for (std::uint32_t step = 0; step < 30000; ++step) {
    const auto node = static_cast<std::uint32_t>(random.below(5));
    auto& list = expected[node];
    if (random.below(50) == 0) {
      const auto to = static_cast<std::uint32_t>(random.below(5));
      if (to == node) continue;
      queues.pour(node, to);
      expected[to].insert(expected[to].end(), list.begin(), list.end());
      list.clear();
    } else if (random.below(5) < 3) {
      const Contact contact{0, 1, random.below(40), 1 + random.below(3), random.below(1000)};
      list.push_back(Ranked<std::uint32_t>::of(contact, step));
      queues.push(node, list.back());
    } else if (!list.empty()) {
      const auto best = std::max_element(list.begin(), list.end());
      ASSERT_EQ(queues.top(node), *best);
      queues.pop(node);
      list.erase(best);
    }
    ASSERT_EQ(queues.empty(node), expected[node].empty());
  }
}

TEST(Linkage, DamagedKeysDoNotHangIt) {
  // Three contacts that tie in everything: no order decides between them.
  const std::vector<region_graph::Edge> edges{{1, 2, 60000, 1, 7}, {1, 3, 60000, 1, 7}, {2, 3, 60000, 1, 7}};
  const std::vector<region_graph::Node> nodes{{1, 1, 0}, {2, 1, 0}, {3, 1, 0}};
  const ReductionContext context = root_context();
  const Outcome outcome = link(graph_of_block(edges, nodes, context), MergeRule{}, context);
  for (const Fate& fate : outcome.fates) EXPECT_EQ(fate.to, 1U);
}

std::vector<Fate> fates_of(const std::vector<region_graph::Edge>& edges,
                           const std::vector<region_graph::Node>& nodes, const MergeRule& rule,
                           const ReductionContext& context) {
  const Outcome outcome = link(graph_of_block(edges, nodes, context), rule, context);
  EXPECT_EQ(outcome.rest.nodes.size(), 0U);
  return {outcome.fates.begin(), outcome.fates.end()};
}

struct Shape {
  std::uint64_t nodes = 2;
  std::uint64_t hubs = 0;    ///< the first ones touch all others
  std::uint64_t one_in = 2;  ///< of other pairs, so many touch
};

/// Means take few values, so that ties are frequent; counts have up to `bits` bits.
void check_random_graph(Random& random, const Shape& shape, int bits) {
  const std::uint64_t size = shape.nodes, values = 1 + random.below(5);
  oracle::Graph graph;
  std::vector<region_graph::Edge> edges;
  std::vector<region_graph::Node> nodes;
  std::map<Name, std::uint64_t> sizes;
  for (Name name = 1; name <= size; ++name) {
    sizes[name] = 1 + random.below(30);
    nodes.push_back({name, sizes[name], 0});
  }
  std::vector<std::uint64_t> keys(size * size);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i;
  random.shuffle(keys);
  for (Name u = 1; u <= size; ++u)
    for (Name v = u + 1; v <= size; ++v) {
      if (u > shape.hubs && random.below(shape.one_in) != 0) continue;
      const std::uint64_t count = 1 + random.next() % (std::uint64_t{1} << bits);
      const std::uint64_t sum = count * (40000 + random.below(values));
      edges.push_back({u, v, sum, count, keys[u * size - size + v - 1]});
      graph[{u, v}] = {sum, count, edges.back().key};
    }
  MergeRule rule;
  rule.threshold = 40001ULL * one_billion / 65535;
  rule.large_voxels = random.below(2) * 12;
  rule.large_threshold = 40002ULL * one_billion / 65535;
  const auto at_least = [](const oracle::Contact& c, Billionths t) {
    return static_cast<uint128>(c.sum) * one_billion >= static_cast<uint128>(c.count) * (t * 65535);
  };
  const auto expected = oracle::agglomerate(
      graph, sizes, [&](const oracle::Contact& c) { return at_least(c, rule.threshold); },
      [&](const oracle::Contact& c, std::uint64_t a, std::uint64_t b) {
        return rule.large_voxels == 0 || std::min(a, b) < 12 || at_least(c, rule.large_threshold);
      });
  for (const Fate& fate : fates_of(edges, nodes, rule, root_context())) {
    ASSERT_EQ(fate.settled, 1U);
    ASSERT_EQ(fate.to, expected.at(fate.name));
  }
}

TEST(Linkage, RandomGraphsGiveWhatTheOracleGives) {
  Random random{31};
  for (int round = 0; round < 1500; ++round) {
    SCOPED_TRACE(round);
    check_random_graph(random, {2 + random.below(25), 0, 2}, static_cast<int>(random.below(5)) * 10);
  }
}

TEST(Linkage, HubsGiveWhatTheOracleGives) {
  // More neighbours than a row is searched for, with and without more contacts among these.
  Random random{32};
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    check_random_graph(random, {400, 1 + random.below(4), round % 2 == 0 ? 40U : 400U}, 10);
  }
}

TEST(Rounds, LeaveStandingNodesAndEachPairOnce) {
  Random random{33};
  const ReductionContext context = root_context();
  for (int round = 0; round < 200; ++round) {
    std::vector<region_graph::Edge> edges;
    std::vector<region_graph::Node> nodes;
    const std::uint64_t size = 50 + random.below(200);
    for (Name u = 1; u <= size; ++u) {
      nodes.push_back({u, 1, 0});
      for (Name v = u + 1; v <= size; ++v)
        if (random.below(size) < 8) edges.push_back({u, v, random.below(65536), 1, edges.size()});
    }
    ContactGraph graph = graph_of_block(edges, nodes, context);
    Progress progress = unjoined(graph.nodes, context);
    join_in_rounds(graph, MergeRule{}, context, progress);
    EXPECT_LT(graph.contacts.size(), edges.size());
    std::set<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (const Contact& c : graph.contacts) {
      ASSERT_LT(c.a, c.b);
      ASSERT_EQ(progress.parents[c.a], c.a);
      ASSERT_EQ(progress.parents[c.b], c.b);
      ASSERT_TRUE(pairs.emplace(c.a, c.b).second);
    }
    std::vector<std::uint64_t> voxels(size);
    for (std::uint32_t i = 0; i < size; ++i) {
      ASSERT_LE(progress.root(i), i);
      ++voxels[progress.root(i)];
    }
    for (std::uint32_t i = 0; i < size; ++i)
      if (progress.root(i) == i) {
        ASSERT_EQ(graph.nodes[i].voxels, voxels[i]);
      }
  }
}

TEST(Linkage, VetoedContactsTakeTheirSumWithThem) {
  // The example of docs/invariance.md: u, v, w, x are 1, 2, 3, 4. uv is best, and fails because both are
  // small together; kept in the sums, it would lift (u∪w)v above vx.
  const std::vector<region_graph::Edge> edges{
      {1, 2, 90 * 655, 1, 0}, {1, 3, 80 * 655, 1, 1}, {2, 3, 50 * 655, 1, 2}, {2, 4, 68 * 655, 1, 3}};
  const std::vector<region_graph::Node> nodes{{1, 10, 0}, {2, 10, 0}, {3, 20, 0}, {4, 20, 0}};
  MergeRule rule;
  rule.threshold = one_billion * 95 / 100;
  rule.large_voxels = 5;
  rule.large_sum_voxels = 25;
  rule.large_threshold = one_billion * 60 / 100;
  std::vector<Name> to;
  for (const Fate& fate : fates_of(edges, nodes, rule, root_context())) to.push_back(fate.to);
  EXPECT_EQ(to, (std::vector<Name>{1, 2, 1, 2}));
}

/// A hub, `size` spokes, and a ring of weaker contacts round them: every join pours a short list into the
/// hub's.
Outcome hub_linked(std::uint64_t size) {
  std::vector<region_graph::Edge> edges;
  std::vector<region_graph::Node> nodes{{1, 1, 0}};
  for (std::uint64_t i = 0; i < size; ++i) {
    edges.push_back({1, i + 2, 40000 + mix64(i) % 20000, 1, i});
    nodes.push_back({i + 2, 1, 0});
  }
  for (std::uint64_t i = 0; i + 1 < size; ++i) edges.push_back({i + 2, i + 3, mix64(i) % 60000, 1, size + i});
  const ReductionContext context = root_context();
  return link(graph_of_block(edges, nodes, context), MergeRule{}, context);
}

TEST(Linkage, ANodeOfAMillionNeighboursCostsNoMoreThanItsContacts) {
  for (const std::uint64_t size : {10'000, 1'000'000}) {
    const Outcome outcome = hub_linked(size);
    std::size_t joined = 0;
    for (const Fate& fate : outcome.fates) joined += fate.to == 1 ? 1 : 0;
    EXPECT_GT(joined, size / 2);
    EXPECT_LT(outcome.steps, 20 * (2 * size)) << size;  // there are 2 * size - 1 contacts
  }
}

TEST(ContactGraph, PacksAndRefusesDamage) {
  const std::vector<region_graph::Edge> edges{{3, 5, 7, 1, 9}, {3, 8, 100, 2, 4}, {5, 8, 1, 1, 2}};
  const std::vector<region_graph::Node> nodes{{5, 10, 1}, {8, 11, 2}};
  const ReductionContext context{NodeContext{Box{{1, 1, 1}, {4, 4, 4}}, whole}};
  const ContactGraph graph = graph_of_block(edges, nodes, context);
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(graph.nodes[0], (Node{3, 0, 0, 0}));  // only seen from across a face
  ByteWriter writer;
  pack(graph, writer);
  const Bytes bytes = writer.take();
  ByteReader reader{bytes};
  const ContactGraph again = unpack(reader, context);
  EXPECT_TRUE(reader.done());
  EXPECT_TRUE(std::ranges::equal(graph.nodes, again.nodes));
  EXPECT_TRUE(std::ranges::equal(graph.contacts, again.contacts));

  const auto refuses = [&](Bytes damaged) {
    ByteReader r{damaged};
    EXPECT_THROW(static_cast<void>(unpack(r, context)), Error);
  };
  for (std::size_t size = 0; size < bytes.size(); size += 7)
    refuses({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
  Bytes huge = bytes;
  huge[7] = std::byte{0xff};  // the count of nodes
  refuses(huge);
  ByteReader once_more{bytes};
  ContactGraph strong = unpack(once_more, context);
  strong.contacts[1].sum = 2 * (region_graph::affinity_one + 1);  // of two edges
  ByteWriter too_strong;
  pack(strong, too_strong);
  refuses(too_strong.take());
  const std::vector<region_graph::Edge> zero_count{{3, 5, 7, 0, 9}}, same{{5, 5, 7, 1, 9}},
      unsorted{{5, 8, 1, 1, 2}, {3, 5, 7, 1, 9}}, beyond_one{{3, 5, region_graph::affinity_one + 1, 1, 9}},
      one{{3, 5, region_graph::affinity_one, 1, 9}};
  for (const auto& wrong : {zero_count, same, unsorted, beyond_one})
    EXPECT_THROW(graph_of_block(wrong, nodes, context), Error);
  EXPECT_NO_THROW(graph_of_block(one, nodes, context));
}

}  // namespace
}  // namespace petavox::agglomerate
