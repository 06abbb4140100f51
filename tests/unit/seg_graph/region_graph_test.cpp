#include "stages/region_graph/region_graph.hpp"

#include "petavox/testing/memory_block.hpp"
#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/region_graph/region_graph_stage.hpp"

#include "oracle.hpp"
#include "unit/kernels/every_path.hpp"

#include <gmock/gmock.h>

namespace petavox {
namespace {

using testing::MemoryRunOptions;
using testing::MemoryValue;
using testing::MemoryValues;
using testing::Texture;

/// The graph of a volume whose supervoxels are one voxel each.
std::vector<region_graph::Edge> edges_of(const Array& names, const Array& affinities) {
  const LabelArray labels = compacted(names);
  region_graph::Builder builder{labels, names.box(), names.box()};
  builder.add(affinities);
  return builder.edges();
}

StageProgram program() {
  StageProgram program;
  Problems problems;
  const Value none;
  Params params{none, "stages.region_graph", problems};
  program.steps.emplace_back(std::make_unique<RegionGraphStage>(params));
  return program;
}

/// The rows of all blocks, added up.
oracle::Graph summed(const MemoryValue& table, std::uint64_t unit) {
  oracle::Graph graph;
  for (const Table& block : table.table_blocks().tables)
    for (const region_graph::Edge& e : block.rows<region_graph::Edge>()) {
      EXPECT_LT(e.u, e.v);
      EXPECT_EQ(e.sum % unit, 0U);
      oracle::Contact& contact = graph[{e.u, e.v}];
      contact.sum += e.sum / unit;
      contact.count += e.count;
      contact.key = std::min(contact.key, e.key);
    }
  return graph;
}

void expect_same(const oracle::Graph& expected, const oracle::Graph& found) {
  ASSERT_EQ(expected.size(), found.size());
  for (auto e = expected.begin(), f = found.begin(); e != expected.end(); ++e, ++f) {
    EXPECT_EQ(e->first, f->first);
    EXPECT_EQ(e->second.sum, f->second.sum);
    EXPECT_EQ(e->second.count, f->second.count);
    EXPECT_EQ(e->second.key, f->second.key);
  }
}

TEST(RegionGraph, CountsByHand) {
  // Two objects side by side along x, two voxels of contact, at a corner far from zero.
  const Box box{{-3, 5, 100}, {-2, 7, 102}};
  Array names{DType::u64, box}, affinities{DType::u8, box, 3};
  const auto n = names.view<std::uint64_t>();
  const auto a = affinities.view<std::uint8_t>();
  box.for_each([&](Coord p) { n[p] = p.x == 100 ? 2 : 1; });
  a.at(2, {-3, 5, 101}) = 10;
  a.at(2, {-3, 6, 101}) = 30;
  a.at(1, {-3, 6, 101}) = 99;  // inside object 1
  a.at(2, {-3, 5, 100}) = 99;  // leads out of the domain
  EXPECT_THAT(edges_of(names, affinities),
              ::testing::ElementsAre(region_graph::Edge{1, 2, 40 * 257, 2, 3 * 1 + 2}));
}

TEST(RegionGraph, PassesOverBackgroundAndEqualLabels) {
  const Box box{{0, 0, 0}, {3, 4, 5}};
  const Array affinities = testing::random_image(DType::u16, box, 3, Texture::uniform, 1);
  Array names{DType::u64, box};
  EXPECT_TRUE(edges_of(names, affinities).empty());
  box.for_each([&](Coord p) { names.view<std::uint64_t>()[p] = 7; });
  EXPECT_TRUE(edges_of(names, affinities).empty());
  box.for_each([&](Coord p) { names.view<std::uint64_t>()[p] = p.x % 2 == 0 ? 7 : 0; });
  EXPECT_TRUE(edges_of(names, affinities).empty());
}

TEST(RegionGraph, NodesHaveSizesAndFacesOfTheCore) {
  const Box domain{{0, 0, 0}, {4, 4, 4}}, core{{2, 2, 2}, {4, 4, 4}}, padded{{1, 1, 1}, {4, 4, 4}};
  Array names{DType::u64, padded, domain}, affinities{DType::u8, core, domain, 3};
  padded.for_each(
      [&](Coord p) { names.view<std::uint64_t>()[p] = core.contains(p) ? (p.z == 2 ? 9 : 5) : 1; });
  const LabelArray labels = compacted(names);
  region_graph::Builder builder{labels, core, domain};
  builder.add(affinities);
  const std::uint64_t sides = face_bit(1, false) | face_bit(1, true) | face_bit(2, false) | face_bit(2, true);
  EXPECT_THAT(builder.nodes(), ::testing::ElementsAre(region_graph::Node{5, 4, sides | face_bit(0, true)},
                                                      region_graph::Node{9, 4, sides | face_bit(0, false)}));
}

TEST(RegionGraph, SlabsAddUpToTheWhole) {
  const Box box{{-2, 3, 1}, {9, 12, 18}};
  const Array names = testing::random_labels(box, 30, 3);
  const Array affinities = testing::random_image(DType::u16, box, 3, Texture::uniform, 4);
  const LabelArray labels = compacted(names);
  region_graph::Builder whole{labels, box, box}, parts{labels, box, box};
  whole.add(affinities);
  for (const Index from : {box.begin.x, Index{7}, Index{8}}) {
    Box part = box;
    part.begin.x = from;
    part.end.x = from == box.begin.x ? 7 : from == 7 ? 8 : box.end.x;
    parts.add(testing::cut_out(affinities, part));
  }
  EXPECT_EQ(whole.edges(), parts.edges());
  EXPECT_EQ(whole.nodes(), parts.nodes());
}

TEST(RegionGraph, RefusesWrongInputs) {
  const Box domain{{0, 0, 0}, {4, 4, 4}}, core{{2, 0, 0}, {4, 4, 4}};
  LabelArray labels{Array{DType::u32, core, domain}, {}};
  EXPECT_THROW((region_graph::Builder{labels, core, domain}), Error);  // the layer below is missing
  labels.ids = Array{DType::u32, domain};
  region_graph::Builder builder{labels, core, domain};
  EXPECT_THROW(builder.add(Array{DType::u8, core, domain, 2}), Error);
  EXPECT_THROW(builder.add(Array{DType::f32, core, domain, 3}), Error);
  EXPECT_THROW(builder.add(Array{DType::u8, domain, domain, 3}), Error);
}

TEST(RegionGraph, AnIdWithManyEarlierNeighbours) {
  // A plane of single voxels under one large object: it comes last and touches all of them.
  const Box box{{0, 0, 0}, {2, 60, 60}};
  Array names{DType::u64, box};
  box.for_each(
      [&](Coord p) { names.view<std::uint64_t>()[p] = p.z == 0 ? name_of_voxel(box, p) : 1 + 60 * 60; });
  const Array affinities = testing::random_image(DType::u8, box, 3, Texture::uniform, 6);
  oracle::Graph found;
  for (const region_graph::Edge& e : edges_of(names, affinities))
    found[{e.u, e.v}] = {e.sum / 257, e.count, e.key};
  expect_same(oracle::region_graph(names, affinities), found);
}

TEST(RegionGraph, LongRowsOnEveryPath) {
  // Rows of several words and a rest, of long and short runs, background in between.
  for (const Index width : {63, 64, 65, 200}) {
    const Box box = Box::from({1, -2, 3}, {3, 40, width});
    for (const Index run : {1, 3, 40}) {
      Array names = testing::random_labels(box, 60, static_cast<std::uint64_t>(width));
      box.for_each([&](Coord p) {
        if (p.x % run != 0 && p.x > box.begin.x)
          names.view<std::uint64_t>()[p] = names.view<std::uint64_t>()[{p.z, p.y, p.x - 1}];
      });
      for (const DType type : {DType::u8, DType::u16}) {
        const Array affinities = testing::random_image(type, box, 3, Texture::uniform, 8);
        const oracle::Graph expected = oracle::region_graph(names, affinities);
        testing::on_every_path([&](const std::string& path) {
          SCOPED_TRACE(path + ", runs of " + std::to_string(run) + " in rows of " + std::to_string(width));
          oracle::Graph found;
          for (const region_graph::Edge& e : edges_of(names, affinities))
            found[{e.u, e.v}] = {e.sum / (type == DType::u8 ? 257 : 1), e.count, e.key};
          expect_same(expected, found);
        });
      }
    }
  }
}

TEST(RegionGraph, NamesBeyondAllBounds) {
  const Box box{{0, 0, 0}, {5, 6, 7}};
  Array names = testing::random_labels(box, 12, 3);
  // In no order, beyond 2^32 and 2^63.
  for (std::uint64_t& name : names.view<std::uint64_t>().channel())
    if (name != 0) name = mix64(name) | std::uint64_t{1} << 63;
  const Array affinities = testing::random_image(DType::u16, box, 3, Texture::two_values, 6);
  oracle::Graph found;
  for (const region_graph::Edge& e : edges_of(names, affinities)) found[{e.u, e.v}] = {e.sum, e.count, e.key};
  expect_same(oracle::region_graph(names, affinities), found);
}

TEST(RegionGraph, BlocksAddUpToTheOracle) {
  testing::Random random{11};
  const std::vector<Extent> shapes{{100, 100, 100}, {2, 2, 2},     {7, 5, 3},
                                   {1, 100, 100},   {100, 1, 100}, {3, 4, 1}};
  for (int round = 0; round < 40; ++round) {
    const auto side = [&] { return static_cast<Index>(1 + random.below(11)); };
    const Box domain = Box::from({-static_cast<Index>(random.below(20)), 3, -7}, {side(), side(), side()});
    const DType type = random.below(2) == 0 ? DType::u8 : DType::u16;
    const auto texture = static_cast<Texture>(random.below(testing::num_textures));
    const Array affinities = testing::random_image(type, domain, 3, texture, random.next());
    const Array names = round % 3 == 0 ? oracle::watershed(affinities, type == DType::u8 ? 200 : 50000, 1)
                                       : testing::random_labels(domain, 1 + random.below(40), random.next());
    const oracle::Graph expected = oracle::region_graph(names, affinities);
    const MemoryValues inputs{{"supervoxels", MemoryValue::labels(names)},
                              {"affinities", MemoryValue::image(affinities.clone())}};
    for (const Extent& shape : shapes) {
      MemoryRunOptions options;
      options.block_shape = shape;
      options.order_seed = random.next();
      const MemoryValues out = testing::run_in_memory(program(), inputs, options);
      SCOPED_TRACE(to_string(domain) + " in " + to_string(shape));
      expect_same(expected, summed(out.at("region_graph"), type == DType::u8 ? 257 : 1));
      std::map<Name, std::uint64_t> sizes;
      for (const Table& block : out.at("region_nodes").table_blocks().tables)
        for (const region_graph::Node& node : block.rows<region_graph::Node>())
          sizes[node.name] += node.voxels;
      EXPECT_EQ(sizes, oracle::sizes_of(names));
    }
  }
}

}  // namespace
}  // namespace petavox
