// The truth: labels are connected objects, centre lines run inside them, synapses join the labels that they
// name.

#include "petavox/testing/partition.hpp"

#include "stages/phantom/phantom.hpp"

#include "unit/phantom/label_parts.hpp"

#include <map>
#include <set>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::LabelPart;
using testing::Partition;

const Phantom& phantom() {
  static const Phantom one = [] {
    PhantomSpec spec;
    spec.shape = {128, 144, 160};
    spec.seed = 4;
    return Phantom{spec};
  }();
  return one;
}

const PhantomBlock& block() {
  static const PhantomBlock all = phantom().block(phantom().domain());
  return all;
}

TEST(PhantomTruth, LabelsAreConnectedObjects) {
  std::map<std::uint64_t, std::vector<LabelPart>> parts;
  for (const LabelPart& part : testing::label_parts(block().labels)) parts[part.label].push_back(part);
  Index stray = 0, largest_stray = 0;
  for (auto& [label, of_label] : parts) {
    // A part at the edge goes on outside; of the others, one is the object.
    Index largest_inside = 0;
    bool at_edge = false;
    for (const LabelPart& part : of_label) {
      at_edge = at_edge || part.touches_edge;
      if (!part.touches_edge) largest_inside = std::max(largest_inside, part.voxels);
    }
    bool spared = at_edge;
    for (const LabelPart& part : of_label) {
      if (part.touches_edge) continue;
      if (!spared && part.voxels == largest_inside) {
        spared = true;
        continue;
      }
      stray += part.voxels;
      largest_stray = std::max(largest_stray, part.voxels);
    }
  }
  EXPECT_LE(largest_stray, 12);
  EXPECT_LT(static_cast<double>(stray), 3e-5 * static_cast<double>(block().labels.box().voxels()));
  // As dense as neuropil: tens of objects, none of which is most of it.
  EXPECT_GT(parts.size(), 40U);
  EXPECT_LT(parts.size(), 400U);
}

TEST(PhantomTruth, NoLabelFillsTheVolume) {
  std::map<std::uint64_t, Index> sizes;
  for (const std::uint64_t l : block().labels.view<std::uint64_t>().channel()) ++sizes[l];
  for (const auto& [label, voxels] : sizes)
    EXPECT_LT(static_cast<double>(voxels), 0.4 * static_cast<double>(block().labels.box().voxels())) << label;
  int large = 0;
  for (const auto& [label, voxels] : sizes) large += voxels >= 1000 ? 1 : 0;
  EXPECT_GT(large, 35);
}

TEST(PhantomTruth, ExtracellularVoxelsHaveNoLabelAndOnlyThey) {
  const auto labels = block().labels.view<std::uint64_t>().channel();
  const auto types = block().types.view<std::uint8_t>().channel();
  for (std::size_t i = 0; i < labels.size(); ++i) ASSERT_EQ(labels[i] == 0, types[i] == 0) << i;
}

TEST(PhantomTruth, CentreLinesRunInsideTheirLabel) {
  const auto nodes = phantom().skeleton(phantom().domain());
  ASSERT_GT(nodes.size(), 100U);
  const auto labels = block().labels.view<std::uint64_t>();
  std::map<std::uint64_t, const PhantomNode*> by_id;
  std::size_t outside = 0;
  for (const PhantomNode& n : nodes) {
    EXPECT_TRUE(by_id.emplace(n.id, &n).second) << "id twice";
    const Coord p{static_cast<Index>(n.position[0]), static_cast<Index>(n.position[1]),
                  static_cast<Index>(n.position[2])};
    ASSERT_TRUE(phantom().domain().contains(p));
    outside += labels[p] == n.label ? 0 : 1;
  }
  EXPECT_LE(outside, nodes.size() / 200);

  std::size_t roots = 0, edges = 0, on_label = 0, sampled = 0;
  for (const PhantomNode& n : nodes) {
    if (n.parent == 0) {
      ++roots;
      continue;
    }
    ASSERT_TRUE(by_id.contains(n.parent)) << "parents lie in the domain";
    const PhantomNode& parent = *by_id[n.parent];
    EXPECT_EQ(parent.label, n.label);
    ++edges;
    for (const double t : {0.25, 0.5, 0.75}) {
      Coord p;
      for (int a = 0; a < 3; ++a) {
        const auto i = static_cast<std::size_t>(a);
        p[a] = static_cast<Index>(n.position[i] + t * (parent.position[i] - n.position[i]));
      }
      on_label += labels[p] == n.label ? 1 : 0;
      ++sampled;
    }
  }
  EXPECT_GT(edges, nodes.size() / 2);
  // Lines are bent between nodes: most of a straight piece is inside, not all.
  EXPECT_GT(static_cast<double>(on_label), 0.93 * static_cast<double>(sampled));
  // Walking up ends at a root: there are no rings.
  for (const PhantomNode& n : nodes) {
    const PhantomNode* at = &n;
    for (std::size_t step = 0; at->parent != 0; ++step) {
      ASSERT_LT(step, nodes.size());
      at = by_id[at->parent];
    }
  }
  EXPECT_GT(roots, 0U);
}

TEST(PhantomTruth, EachLabelOfSizeHasACentreLine) {
  std::set<std::uint64_t> lined;
  for (const PhantomNode& n : phantom().skeleton(phantom().domain())) lined.insert(n.label);
  std::map<std::uint64_t, Index> sizes;
  std::map<std::uint64_t, std::set<std::uint8_t>> types;
  block().labels.box().for_each([&](Coord p) {
    const std::uint64_t label = block().labels.view<std::uint64_t>()[p];
    ++sizes[label];
    types[label].insert(block().types.view<std::uint8_t>()[p]);
  });
  sizes.erase(0);
  std::size_t without = 0, large = 0;
  for (const auto& [label, voxels] : sizes) {
    // Sheets have no centre line.
    if (voxels < 20000 || types[label].contains(static_cast<std::uint8_t>(PhantomType::glia))) continue;
    ++large;
    without += lined.contains(label) ? 0 : 1;
  }
  EXPECT_GT(large, 10U);
  // The centre line of an object that the volume only grazes may run outside.
  EXPECT_LE(5 * without, large);
}

TEST(PhantomTruth, SynapsesJoinTheLabelsTheyName) {
  const auto synapses = phantom().synapses(phantom().domain());
  ASSERT_GT(synapses.size(), 5U);
  const auto labels = block().labels.view<std::uint64_t>();
  const auto types = block().types.view<std::uint8_t>();
  std::set<std::uint64_t> ids;
  for (const PhantomSynapse& s : synapses) {
    EXPECT_TRUE(ids.insert(s.id).second);
    EXPECT_NE(s.pre, s.post);
    EXPECT_GT(s.diameter_nm, 50);
    bool pre = false, post = false, cleft = false;
    Box{s.position, s.position + Extent::cube(1)}
        .grow(Halo::uniform(2))
        .intersect(phantom().domain())
        .for_each([&](Coord p) {
          pre = pre || labels[p] == s.pre;
          post = post || labels[p] == s.post;
          cleft = cleft || types[p] == static_cast<std::uint8_t>(PhantomType::cleft);
        });
    EXPECT_TRUE(pre && post && cleft) << to_string(s.position);
  }
}

TEST(PhantomTruth, TablesOfBoxesAddUpToTheWhole) {
  const auto all_synapses = phantom().synapses(phantom().domain());
  const auto all_nodes = phantom().skeleton(phantom().domain());
  std::map<std::uint64_t, Coord> synapses;
  std::map<std::uint64_t, std::uint64_t> nodes;
  for (const Box& box : Partition::guillotine(phantom().domain(), 12, 8).cores) {
    for (const auto& s : phantom().synapses(box)) EXPECT_TRUE(synapses.emplace(s.id, s.position).second);
    for (const auto& n : phantom().skeleton(box)) EXPECT_TRUE(nodes.emplace(n.id, n.parent).second);
  }
  ASSERT_EQ(synapses.size(), all_synapses.size());
  for (const auto& s : all_synapses) EXPECT_EQ(synapses.at(s.id), s.position);
  ASSERT_EQ(nodes.size(), all_nodes.size());
  for (const auto& n : all_nodes) EXPECT_EQ(nodes.at(n.id), n.parent);
}

TEST(PhantomTruth, EveryKindOfThingIsSomewhere) {
  PhantomSpec spec;
  spec.shape = {4000, 4000, 4000};
  const Phantom large{spec};
  std::set<std::uint8_t> seen;
  for (Index z = 0; z < 4000 && seen.size() < num_phantom_types; z += 450)
    for (Index y = 0; y < 4000; y += 160)
      for (Index x = 0; x < 4000; x += 160) {
        const PhantomBlock small = large.block({{z, y, x}, {z + 1, y + 12, x + 12}});
        for (const std::uint8_t t : small.types.view<std::uint8_t>().channel()) seen.insert(t);
      }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(num_phantom_types));
}

}  // namespace
}  // namespace petavox
