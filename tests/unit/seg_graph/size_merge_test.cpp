#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/region_graph/region_graph_stage.hpp"
#include "stages/size_merge/size_merge_stage.hpp"

#include "oracle.hpp"

#include <gmock/gmock.h>

namespace petavox {
namespace {

using agglomerate::one_billion;
using size_merge::Rule;
using testing::MemoryRunOptions;
using testing::MemoryValue;
using testing::MemoryValues;
using testing::Random;
using testing::Texture;

std::unique_ptr<Stage> region_graph_stage() {
  Problems problems;
  const Value none;
  Params params{none, "stages.region_graph", problems};
  return std::make_unique<RegionGraphStage>(params);
}

Array merged(const Array& names, const Array& affinities, const Rule& rule, const MemoryRunOptions& options,
             bool connected = true) {
  StageProgram program;
  program.steps.emplace_back(region_graph_stage());
  program.steps.emplace_back(std::make_unique<TreeReductionOf<SizeMerge>>(rule, connected));
  const MemoryValues inputs{{"supervoxels", MemoryValue::labels(names)},
                            {"affinities", MemoryValue::image(affinities.clone())}};
  return testing::run_in_memory(program, inputs, options).at("merged").voxels().clone();
}

Array expected(const Array& names, const Array& affinities, const Rule& rule) {
  const std::uint64_t full = affinities.dtype() == DType::u8 ? 255 : 65535;
  const auto good = [&](const oracle::Contact& c) {
    return static_cast<uint128>(c.sum) * one_billion >=
           static_cast<uint128>(c.count) * (rule.min_affinity * full);
  };
  return oracle::renamed(names, oracle::merge_small(oracle::region_graph(names, affinities),
                                                    oracle::sizes_of(names), rule.min_voxels, good));
}

MemoryRunOptions random_options(Random& random) {
  MemoryRunOptions options;
  if (random.below(3) == 0) {
    const auto side = [&] { return static_cast<Index>(1 + random.below(6)); };
    options.block_shape = {side(), side(), side()};
  } else {
    options.guillotine_seed = random.next();
    options.guillotine_blocks = 2 + random.below(25);
  }
  options.order_seed = random.next();
  options.tuning = {random.below(4) != 0, random.below(2) == 0};
  return options;
}

/// Single voxels, lumps, or supervoxels of a watershed.
Array random_supervoxels(const Array& affinities, Random& random) {
  const Box domain = affinities.box();
  const std::uint64_t full = affinities.dtype() == DType::u8 ? 255 : 65535;
  switch (random.below(4)) {
    case 0: {
      Array names{DType::u64, domain};
      domain.for_each([&](Coord p) { names.view<std::uint64_t>()[p] = name_of_voxel(domain, p); });
      return names;
    }
    case 1:
      return testing::random_labels(domain, 1 + random.below(20), random.next());
    default:
      return oracle::watershed(affinities, full - random.below(full / 2), random.below(full / 2));
  }
}

TEST(SizeMerge, RandomVolumesGiveWhatTheOracleGives) {
  Random random{99};
  for (int round = 0; round < 4000; ++round) {
    const auto side = [&] { return static_cast<Index>(1 + random.below(round % 20 == 0 ? 9 : 5)); };
    const auto corner = [&] { return static_cast<Index>(random.below(41)) - 20; };
    const Box domain = Box::from({corner(), corner(), corner()}, {side(), side(), side()});
    const DType type = random.below(2) == 0 ? DType::u8 : DType::u16;
    const auto texture = static_cast<Texture>(random.below(testing::num_textures));
    const Array affinities = testing::random_image(type, domain, 3, texture, random.next());
    const Array names = random_supervoxels(affinities, random);
    Rule rule;
    rule.min_voxels = 1 + random.below(random.below(2) == 0 ? 5 : 40);
    rule.min_affinity = random.below(2) == 0 ? 0 : random.below(one_billion + 1);
    const Array found = merged(names, affinities, rule, random_options(random));
    ASSERT_TRUE(testing::same_voxels(expected(names, affinities, rule), found))
        << "round " << round << ", domain " << to_string(domain) << ", under " << rule.min_voxels << ", from "
        << rule.min_affinity;
  }
}

TEST(SizeMerge, LargerVolumesInBlocksOrSpilledGiveTheSame) {
  Random random{5};
  for (const Index side : {24, 47}) {
    const Box domain = Box::from({-5, 11, -64}, {side, side, side});
    const Array affinities = testing::random_image(
        DType::u8, domain, 3, side == 24 ? Texture::few_values : Texture::smooth, random.next());
    const Array names = oracle::watershed(affinities, 250, 20);
    const Rule rule{40, one_billion / 10};
    const Array whole = expected(names, affinities, rule);
    MemoryRunOptions options;
    for (const Extent& shape : {Extent{100, 100, 100}, Extent{16, 16, 16}, Extent{13, 9, 21}}) {
      options.block_shape = shape;
      ASSERT_TRUE(testing::same_voxels(whole, merged(names, affinities, rule, options))) << to_string(shape);
    }
    if (side != 24) continue;
    options.reduction_memory_bytes = 64;  // everything in files
    ASSERT_TRUE(testing::same_voxels(whole, merged(names, affinities, rule, options)));
  }
}

/// A row of supervoxels along x with these sizes and affinities between them.
struct Row {
  std::vector<Index> sizes;
  std::vector<std::uint8_t> affinities;
};
std::vector<Name> row_merged(const Row& row, std::uint64_t min_voxels, Index block = 100,
                             double min_affinity = 0) {
  Index length = 0;
  for (const Index size : row.sizes) length += size;
  const Box domain{{0, 0, 0}, {1, 1, length}};
  Array names{DType::u64, domain}, affinities{DType::u8, domain, 3};
  Index x = 0;
  for (std::size_t i = 0; i < row.sizes.size(); ++i) {
    const Index begin = x;
    if (i > 0) affinities.view<std::uint8_t>().at(2, {0, 0, x}) = row.affinities[i - 1];
    for (; x < begin + row.sizes[i]; ++x)
      names.view<std::uint64_t>()[{0, 0, x}] = static_cast<Name>(begin + 1);
  }
  MemoryRunOptions options;
  options.block_shape = {1, 1, block};
  const Array result =
      merged(names, affinities, {min_voxels, agglomerate::billionths(min_affinity)}, options);
  std::vector<Name> segments;
  for (Index p = 0, i = 0; i < static_cast<Index>(row.sizes.size());
       p += row.sizes[static_cast<std::size_t>(i++)])
    segments.push_back(result.view<std::uint64_t>()[{0, 0, p}]);
  return segments;
}

TEST(SizeMerge, ByHand) {
  using ::testing::ElementsAre;
  for (const Index block : {100, 4, 1}) {
    SCOPED_TRACE(block);
    // The small one joins its better neighbour; the large ones never join, however good their contact.
    EXPECT_THAT(row_merged({{5, 2, 5, 5}, {90, 100, 255}}, 5, block), ElementsAre(1, 6, 6, 13));
    // Equal contacts: the one that comes first in the volume.
    EXPECT_THAT(row_merged({{5, 2, 5}, {100, 100}}, 5, block), ElementsAre(1, 1, 8));
    // A chain: 2+2 by the best contact, still small, then on to the best neighbour of the two.
    EXPECT_THAT(row_merged({{9, 2, 2, 9}, {50, 200, 60}}, 5, block), ElementsAre(1, 10, 10, 10));
    // 3+3 are enough; the next small one joins them, because its only other neighbour is worse.
    EXPECT_THAT(row_merged({{9, 3, 3, 1, 9}, {50, 200, 70, 60}}, 5, block), ElementsAre(1, 10, 10, 10, 17));
    // Contacts below min_affinity do not count; without a neighbour a small one stays.
    EXPECT_THAT(row_merged({{5, 2, 5}, {50, 50}}, 5, block, 0.5), ElementsAre(1, 6, 8));
    EXPECT_THAT(row_merged({{2}, {}}, 5, block), ElementsAre(1));
    // A large segment that takes in an earlier small one takes its name.
    EXPECT_THAT(row_merged({{2, 9}, {50}}, 5, block), ElementsAre(1, 1));
    EXPECT_THAT(row_merged({{5, 2, 5}, {90, 100}}, 1, block), ElementsAre(1, 6, 8));
  }
}

TEST(SizeMerge, ConformsToTheKit) {
  StageType type{std::string{SizeMerge::name}, std::string{SizeMerge::summary}, "test", [](Params& params) {
                   StageProgram program;
                   program.steps.emplace_back(region_graph_stage());
                   program.steps.emplace_back(std::make_unique<TreeReductionOf<SizeMerge>>(params));
                   return program;
                 }};
  testing::KitOptions options;
  options.params = {{"min_size", "15"}, {"min_affinity", "0.1"}};
  EXPECT_TRUE(testing::check_stage_type(type, options));
}

TEST(SizeMerge, SupervoxelsInPartsAreFoundOrTakenToTheRoot) {
  const Box domain{{0, 0, 0}, {3, 3, 12}};
  const Array affinities = testing::random_image(DType::u8, domain, 3, Texture::uniform, 12);
  Array names{DType::u64, domain};
  domain.for_each([&](Coord p) {
    names.view<std::uint64_t>()[p] = p.x == 0 || p.x == 11   ? 1
                                     : p.x == 1 || p.x == 10 ? 2
                                                             : name_of_voxel(domain, p);
  });
  MemoryRunOptions options;
  options.block_shape = {3, 3, 4};
  const Rule rule{4, 0};
  EXPECT_THROW(static_cast<void>(merged(names, affinities, rule, options)), Error);
  EXPECT_TRUE(testing::same_voxels(expected(names, affinities, rule),
                                   merged(names, affinities, rule, options, false)));
}

TEST(SizeMerge, RefusesDamagedStates) {
  const Box whole{{0, 0, 0}, {9, 9, 9}};
  const ReductionContext context{NodeContext{Box{{1, 1, 1}, {4, 4, 4}}, whole}};
  const std::vector<region_graph::Edge> edges{{150, 151, 7, 1, 9}, {150, 160, 100, 2, 4}};
  const std::vector<region_graph::Node> nodes{{150, 10, 1}, {151, 11, 2}};
  const size_merge::State state =
      size_merge::state_of_block(agglomerate::graph_of_block(edges, nodes, context), context);
  ByteWriter writer;
  size_merge::pack(state, writer);
  const Bytes bytes = writer.take();
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const Bytes part{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
    ByteReader reader{part};
    if (size == bytes.size())
      EXPECT_EQ(size_merge::unpack(reader, context).least.size(), 3U);
    else
      EXPECT_THROW(static_cast<void>(size_merge::unpack(reader, context)), Error) << size;
  }
}

}  // namespace
}  // namespace petavox
