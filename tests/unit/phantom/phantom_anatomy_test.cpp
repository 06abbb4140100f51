// What the truth rests on: the map between tissue and lattice space, and the rules of who is whose branch.

#include "petavox/testing/partition.hpp"

#include "stages/phantom/deformation.hpp"
#include "stages/phantom/tissue.hpp"

#include <set>

#include <gtest/gtest.h>

namespace petavox::phantom {
namespace {

Vec random_place(testing::Random& random, double size) {
  Vec p{};
  for (double& c : p) c = size * static_cast<double>(random.below(1 << 20)) / (1 << 20);
  return p;
}

class Maps : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Maps, LeadBackToWhereTheyBegan) {
  const Organs organs{GetParam()};
  const Deformation map{GetParam(), organs};
  testing::Random random{GetParam()};
  for (int i = 0; i < 2000; ++i) {
    const Vec p = random_place(random, 5000);
    const auto place = map.to_lattice(p);
    if (place.soma < 1.02 || place.trunk < 1) continue;  // organs' cores are flattened
    const Vec back = map.to_tissue(place.lattice) - p;
    EXPECT_LT(length(back), 0.02) << i;
    const Vec shift = place.lattice - map.turned(p);
    for (const double d : shift) EXPECT_LT(std::fabs(d), Deformation::largest_shift);
  }
}

TEST_P(Maps, DoNotFold) {
  const Organs organs{GetParam()};
  const Deformation map{GetParam(), organs};
  testing::Random random{GetParam() + 7};
  int folds = 0, places = 0;
  for (int i = 0; i < 6000; ++i) {
    const Vec p = random_place(random, 5000);
    const auto place = map.to_lattice(p);
    if (place.soma < 1.05 || place.trunk < 2) continue;
    std::array<Vec, 3> j{};
    for (std::size_t a = 0; a < 3; ++a) {
      Vec q = p;
      q[a] += 0.5;
      j[a] = (map.to_lattice(q).lattice - place.lattice) * 2;
    }
    const Vec cross{j[1][1] * j[2][2] - j[1][2] * j[2][1], j[1][2] * j[2][0] - j[1][0] * j[2][2],
                    j[1][0] * j[2][1] - j[1][1] * j[2][0]};
    ++places;
    folds += dot(j[0], cross) <= 0 ? 1 : 0;
  }
  EXPECT_GT(places, 3000);
  EXPECT_LE(folds, places / 1000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Maps, ::testing::Values(1, 2, 77));

PhantomSpec spec() {
  PhantomSpec s;
  s.shape = {600, 600, 600};
  return s;
}

template <class F>
void for_each_node(F&& f) {
  for (int axis = 0; axis < 3; ++axis)
    for (Int i = -3; i <= 6; ++i)
      for (Int j = -3; j <= 6; ++j)
        for (int slot = 0; slot <= 4; ++slot)
          for (Int m = -6; m <= 12; ++m) f(Node{{axis, i, j}, slot, m});
}

TEST(Tissue, CrossingRodsMeetWhereTheyPass) {
  const Tissue tissue{spec()};
  for_each_node([&](const Node& n) {
    if (n.slot == 0 || !Tissue::crosses(n.slot, n.m)) return;
    const Node other = tissue.across(n.rod, n.slot, n.m);
    EXPECT_NE(other.rod.axis, n.rod.axis);
    const Vec a = rod_point(n.rod, node_spacing * static_cast<double>(n.m));
    const Vec b = rod_point(other.rod, node_spacing * static_cast<double>(other.m));
    EXPECT_DOUBLE_EQ(length(b - a), rod_spacing / 2);
    // Towards the side that the slot faces.
    const std::size_t axis = n.slot % 2 == 1 ? axis_b(n.rod) : axis_c(n.rod);
    EXPECT_EQ((b - a)[axis], n.slot <= 2 ? rod_spacing / 2 : -rod_spacing / 2);
  });
}

TEST(Tissue, CentreLinesLieInNoForeignTube) {
  // The condition that makes territories connected, for all pairs of nodes nearby.
  const Tissue tissue{spec()};
  std::vector<Node> nodes;
  for_each_node([&](const Node& n) {
    if (n.m >= 0 && n.m <= 4 && n.rod.i >= 0 && n.rod.i <= 3 && n.rod.j >= 0 && n.rod.j <= 3 &&
        tissue.has_slot(n.rod, n.slot) && tissue.has_node(n))
      nodes.push_back(n);
  });
  ASSERT_GT(nodes.size(), 100U);
  for (const Node& a : nodes)
    for (const Node& b : nodes) {
      if (a.rod == b.rod && a.slot == b.slot) continue;
      const double d = length(tissue.position(a) - tissue.position(b));
      EXPECT_GT(d, std::fabs(tissue.radius(a) - tissue.radius(b)));
    }
}

TEST(Tissue, ChainsAreTheSameFromEachOfTheirNodes) {
  const Tissue tissue{spec()};
  for_each_node([&](const Node& n) {
    if (!tissue.has_slot(n.rod, n.slot) || !tissue.has_node(n) || n.slot == 0) return;
    const Chain chain = tissue.chain_of(n);
    EXPECT_LE(chain.first, n.m);
    EXPECT_GE(chain.last, n.m);
    EXPECT_LE(chain.last - chain.first, 15);
    const Chain from_first = tissue.chain_of({n.rod, n.slot, chain.first});
    EXPECT_EQ(from_first.last, chain.last);
    EXPECT_EQ(tissue.label_of(from_first), tissue.label_of(chain));
  });
}

TEST(Tissue, NumbersAreUnique) {
  const Tissue tissue{spec()};
  std::set<std::uint64_t> numbers;
  std::size_t count = 0;
  for_each_node([&](const Node& n) {
    numbers.insert(tissue.number(n));
    ++count;
  });
  EXPECT_EQ(numbers.size(), count);
  EXPECT_GT(*numbers.begin(), 0U);
}

TEST(Tissue, BranchesExist) {
  const Tissue tissue{spec()};
  int own = 0, beside = 0, across = 0;
  for_each_node([&](const Node& n) {
    if (n.slot == 0 || !tissue.has_slot(n.rod, n.slot) || !tissue.has_node(n)) return;
    const Chain chain = tissue.chain_of(n);
    if (chain.first != n.m) return;
    const auto link = tissue.link_of(chain);
    if (!link)
      ++own;
    else if (link->other.rod == n.rod)
      ++beside;
    else
      ++across;
  });
  EXPECT_GT(own, 20);
  EXPECT_GT(beside, 50);
  EXPECT_GT(across, 50);
}

}  // namespace
}  // namespace petavox::phantom
