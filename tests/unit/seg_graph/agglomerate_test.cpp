#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/agglomerate/agglomerate_stage.hpp"
#include "stages/region_graph/region_graph_stage.hpp"

#include "oracle.hpp"

#include <gmock/gmock.h>

namespace petavox {
namespace {

using agglomerate::MergeRule;
using agglomerate::one_billion;
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

/// Writes a region graph whose voxel edges have random sums and counts, up to the largest there can be:
/// contacts of any weight with the geometry of a small volume.
class HeavyContacts final : public Stage {
 public:
  HeavyContacts(std::uint64_t seed, std::uint64_t most, bool ties) : seed_{seed}, most_{most}, ties_{ties} {}
  Contract contract(const Setup& setup) const override { return region_graph_stage()->contract(setup); }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const LabelArray labels = inputs.labels("supervoxels");
    const auto ids = labels.ids.view<std::uint32_t>();
    const Box domain = context.domain();
    oracle::Graph graph;
    inputs.core().for_each([&](Coord v) {
      for (int axis = 0; axis < 3; ++axis) add(graph, labels, ids, domain, v, axis);
    });
    std::vector<region_graph::Edge> rows;
    for (const auto& [pair, c] : graph) rows.push_back({pair.first, pair.second, c.sum, c.count, c.key});
    outputs.table("region_graph").append(std::span<const region_graph::Edge>{rows});
    region_graph::Builder builder{labels, inputs.core(), domain};
    builder.add(Array{DType::u8, inputs.core(), domain, 3});
    const auto nodes = builder.nodes();
    outputs.table("region_nodes").append(std::span<const region_graph::Node>{nodes});
  }
  oracle::Graph whole(const Array& names) const {
    const LabelArray labels = compacted(names);
    oracle::Graph graph;
    names.box().for_each([&](Coord v) {
      for (int axis = 0; axis < 3; ++axis)
        add(graph, labels, labels.ids.view<std::uint32_t>(), names.box(), v, axis);
    });
    return graph;
  }

 private:
  void add(oracle::Graph& graph, const LabelArray& labels, View<const std::uint32_t> ids, const Box& domain,
           Coord v, int axis) const {
    Coord u = v;
    --u[axis];
    if (!domain.contains(u)) return;
    const Name a = labels.name(ids[v]), b = labels.name(ids[u]);
    if (a == 0 || b == 0 || a == b) return;
    const std::uint64_t index =
        3 * static_cast<std::uint64_t>(domain.raster(v)) + static_cast<std::uint64_t>(axis);
    const std::uint64_t bits = mix64(seed_ + index), count = 1 + bits % most_;
    // Ties: means of few values. Otherwise means that differ by as little as one in count².
    const std::uint64_t sum = ties_ ? count * (30000 + mix64(bits) % 3)
                                    : count * 32768 - mix64(bits) % std::min<std::uint64_t>(count, 3);
    oracle::Contact& contact = graph[{std::min(a, b), std::max(a, b)}];
    contact.sum += sum;
    contact.count += count;
    contact.key = std::min(contact.key, index);
  }
  std::uint64_t seed_, most_;
  bool ties_;
};

/// Linkage by the oracle, with sums whose full affinity is `full`.
std::map<Name, Name> expected_segments(const oracle::Graph& graph, const std::map<Name, std::uint64_t>& sizes,
                                       const MergeRule& rule, std::uint64_t full) {
  const auto reaches = [full](const oracle::Contact& c, std::uint64_t billionths) {
    return static_cast<uint128>(c.sum) * one_billion >= static_cast<uint128>(c.count) * (billionths * full);
  };
  std::uint64_t lowest = rule.threshold;
  if (rule.small_voxels > 0) lowest = std::min(lowest, rule.small_threshold);
  if (rule.large_voxels > 0) lowest = std::min(lowest, rule.large_threshold);
  return oracle::agglomerate(
      graph, sizes, [&](const oracle::Contact& c) { return reaches(c, lowest); },
      [&](const oracle::Contact& c, std::uint64_t a, std::uint64_t b) {
        if (std::min(a, b) < rule.small_voxels) return reaches(c, rule.small_threshold);
        if (rule.large_voxels > 0 && a >= rule.large_voxels && b >= rule.large_voxels &&
            a + b >= rule.large_sum_voxels)
          return reaches(c, rule.large_threshold);
        return reaches(c, rule.threshold);
      });
}

MergeRule random_rule(Random& random) {
  const auto fraction = [&] { return random.below(5) * one_billion / 4; };
  MergeRule rule;
  rule.threshold = random.below(3) == 0 ? fraction() : random.below(one_billion + 1);
  if (random.below(3) == 0) {
    rule.small_voxels = 1 + random.below(6);
    rule.small_threshold = random.below(2) == 0 ? fraction() : random.below(one_billion + 1);
  }
  if (random.below(3) == 0) {
    rule.large_voxels = rule.small_voxels + 1 + random.below(5);
    rule.large_sum_voxels = random.below(20);
    rule.large_threshold = random.below(2) == 0 ? fraction() : random.below(one_billion + 1);
  }
  return rule;
}

std::string text_of(const MergeRule& r) {
  return std::to_string(r.threshold) + " small " + std::to_string(r.small_voxels) + "@" +
         std::to_string(r.small_threshold) + " large " + std::to_string(r.large_voxels) + "+" +
         std::to_string(r.large_sum_voxels) + "@" + std::to_string(r.large_threshold);
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

Array segments(std::unique_ptr<Stage> graph, const MergeRule& rule, const MemoryValues& inputs,
               const MemoryRunOptions& options, bool connected = true) {
  StageProgram program;
  program.steps.emplace_back(std::move(graph));
  program.steps.emplace_back(std::make_unique<TreeReductionOf<Agglomerate>>(rule, connected));
  return testing::run_in_memory(program, inputs, options).at("segments").voxels().clone();
}

/// Supervoxels of one kind or another.
Array random_supervoxels(const Array& affinities, Random& random) {
  const Box domain = affinities.box();
  const std::uint64_t full = affinities.dtype() == DType::u8 ? 255 : 65535;
  switch (random.below(4)) {
    case 0: {  // every voxel for itself: the most ties
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

TEST(Agglomerate, RandomVolumesGiveWhatTheOracleGives) {
  Random random{2024};
  for (int round = 0; round < 4000; ++round) {
    const auto side = [&] { return static_cast<Index>(1 + random.below(round % 20 == 0 ? 9 : 5)); };
    const auto corner = [&] { return static_cast<Index>(random.below(41)) - 20; };
    const Box domain = Box::from({corner(), corner(), corner()}, {side(), side(), side()});
    const DType type = random.below(2) == 0 ? DType::u8 : DType::u16;
    const auto texture = static_cast<Texture>(random.below(testing::num_textures));
    const Array affinities = testing::random_image(type, domain, 3, texture, random.next());
    const Array names = random_supervoxels(affinities, random);
    const MergeRule rule = random_rule(random);
    const auto fates = expected_segments(oracle::region_graph(names, affinities), oracle::sizes_of(names),
                                         rule, type == DType::u8 ? 255 : 65535);
    const Array expected = oracle::renamed(names, fates);
    const MemoryValues inputs{{"supervoxels", MemoryValue::labels(names)},
                              {"affinities", MemoryValue::image(affinities.clone())}};
    const MemoryRunOptions options = random_options(random);
    const Array found = segments(region_graph_stage(), rule, inputs, options);
    ASSERT_TRUE(testing::same_voxels(expected, found))
        << "round " << round << ", domain " << to_string(domain) << ", rule " << text_of(rule);
  }
}

TEST(Agglomerate, ContactsOfAnyWeightGiveWhatTheOracleGives) {
  Random random{77};
  for (int round = 0; round < 600; ++round) {
    const auto side = [&] { return static_cast<Index>(1 + random.below(6)); };
    const Box domain = Box::from({-3, 4, 0}, {side(), side(), side()});
    const Array affinities = testing::random_image(DType::u8, domain, 3, Texture::uniform, random.next());
    const Array names = random_supervoxels(affinities, random);
    // From ordinary counts to ones that need more than 80 binary places.
    const std::uint64_t most = std::uint64_t{1} << (random.below(10) * 4 + 1);
    const HeavyContacts contacts{random.next(), most, random.below(2) == 0};
    MergeRule rule = random_rule(random);
    if (random.below(2) == 0) rule.threshold = 30001ULL * one_billion / 65535;
    const auto fates = expected_segments(contacts.whole(names), oracle::sizes_of(names), rule, 65535);
    const Array expected = oracle::renamed(names, fates);
    const MemoryValues inputs{{"supervoxels", MemoryValue::labels(names)},
                              {"affinities", MemoryValue::image(affinities.clone())}};
    const Array found =
        segments(std::make_unique<HeavyContacts>(contacts), rule, inputs, random_options(random));
    ASSERT_TRUE(testing::same_voxels(expected, found))
        << "round " << round << ", most " << most << ", rule " << text_of(rule);
  }
}

TEST(Agglomerate, LargerVolumesGiveWhatTheOracleGives) {
  Random random{5};
  for (const Index side : {24, 33, 64}) {
    const Box domain = Box::from({-5, 11, -64}, {side, side, side});
    const Array affinities = testing::random_image(
        DType::u8, domain, 3, side == 24 ? Texture::few_values : Texture::smooth, random.next());
    const Array names = oracle::watershed(affinities, 250, 20);
    MergeRule rule;
    rule.threshold = one_billion / 2;
    rule.small_voxels = 10;
    rule.small_threshold = one_billion / 4;
    const auto graph = oracle::region_graph(names, affinities);
    const Array expected =
        oracle::renamed(names, expected_segments(graph, oracle::sizes_of(names), rule, 255));
    const MemoryValues inputs{{"supervoxels", MemoryValue::labels(names)},
                              {"affinities", MemoryValue::image(affinities.clone())}};
    for (const Extent& shape : {Extent{100, 100, 100}, Extent{16, 16, 16}, Extent{13, 9, 21}}) {
      MemoryRunOptions options;
      options.block_shape = shape;
      ASSERT_TRUE(testing::same_voxels(expected, segments(region_graph_stage(), rule, inputs, options)))
          << side << " in " << to_string(shape);
    }
  }
}

TEST(Agglomerate, SpilledStatesGiveTheSame) {
  Random random{6};
  const Box domain = Box::from({0, -9, 2}, {9, 10, 11});
  const Array affinities = testing::random_image(DType::u8, domain, 3, Texture::few_values, 8);
  const Array names = oracle::watershed(affinities, 255, 10);
  const MemoryValues inputs{{"supervoxels", MemoryValue::labels(names)},
                            {"affinities", MemoryValue::image(affinities.clone())}};
  MemoryRunOptions options;
  options.block_shape = {4, 5, 6};
  const Array expected = segments(region_graph_stage(), MergeRule{}, inputs, options);
  options.reduction_memory_bytes = 64;  // everything in files
  EXPECT_TRUE(testing::same_voxels(expected, segments(region_graph_stage(), MergeRule{}, inputs, options)));
}

TEST(Agglomerate, ConformsToTheKit) {
  StageType type{std::string{Agglomerate::name}, std::string{Agglomerate::summary}, "test",
                 [](Params& params) {
                   StageProgram program;
                   program.steps.emplace_back(region_graph_stage());
                   program.steps.emplace_back(std::make_unique<TreeReductionOf<Agglomerate>>(params));
                   return program;
                 }};
  testing::KitOptions options;
  options.params = {{"threshold", "0.4"},   {"small_voxels", "3"},      {"small_threshold", "0.2"},
                    {"large_voxels", "20"}, {"large_sum_voxels", "50"}, {"large_threshold", "0.7"}};
  EXPECT_TRUE(testing::check_stage_type(type, options));
}

/// Two objects, each in two parts at opposite ends of the volume, between others.
Array disconnected_labels(const Box& domain) {
  Array names{DType::u64, domain};
  domain.for_each([&](Coord p) {
    const Index x = p.x - domain.begin.x, last = domain.shape().x - 1;
    names.view<std::uint64_t>()[p] = x == 0 || x == last       ? 1
                                     : x == 1 || x == last - 1 ? 2
                                                               : name_of_voxel(domain, p);
  });
  return names;
}

TEST(Agglomerate, SupervoxelsInPartsAreFoundOrTakenToTheRoot) {
  const Box domain{{0, 0, 0}, {3, 3, 12}};
  const Array affinities = testing::random_image(DType::u8, domain, 3, Texture::uniform, 12);
  const Array names = disconnected_labels(domain);
  const MemoryValues inputs{{"supervoxels", MemoryValue::labels(names)},
                            {"affinities", MemoryValue::image(affinities.clone())}};
  MemoryRunOptions options;
  options.block_shape = {3, 3, 4};
  EXPECT_THROW(static_cast<void>(segments(region_graph_stage(), MergeRule{}, inputs, options)), Error);
  const auto fates =
      expected_segments(oracle::region_graph(names, affinities), oracle::sizes_of(names), MergeRule{}, 255);
  EXPECT_TRUE(testing::same_voxels(oracle::renamed(names, fates),
                                   segments(region_graph_stage(), MergeRule{}, inputs, options, false)));
}

std::vector<std::string> problems_with(testing::ParamTexts entries) {
  Value node = Value::mapping({});
  for (auto& [key, text] : entries) node.entries.emplace_back(key, Value::text(text));
  Problems problems;
  Params params{node, "stages.agglomerate", problems};
  const Agglomerate stage{params};
  return problems.texts();
}

TEST(Agglomerate, ChecksItsParameters) {
  EXPECT_TRUE(problems_with({}).empty());
  EXPECT_TRUE(problems_with({{"threshold", "0.3"}, {"small_voxels", "5"}, {"large_voxels", "5"}}).empty());
  EXPECT_EQ(problems_with({{"threshold", "1.5"}}).size(), 1U);
  EXPECT_EQ(problems_with({{"small_voxels", "-1"}}).size(), 1U);
  EXPECT_THAT(problems_with({{"small_voxels", "6"}, {"large_voxels", "5"}}),
              ::testing::ElementsAre(
                  "stages.agglomerate.large_voxels: it is less than small_voxels (a segment would be "
                  "both small and large); raise it to small_voxels or more"));
}

TEST(Agglomerate, ThresholdsAreDecimalFractions) {
  // 0.3 of 255 is 76.5: a mean of 76.5 joins, the next smaller does not.
  const std::uint64_t unit = region_graph::affinity_one / 255;
  EXPECT_TRUE(agglomerate::reaches((76 + 77) * unit, 2, agglomerate::billionths(0.3)));
  EXPECT_FALSE(agglomerate::reaches((76 + 76 + 77) * unit, 3, agglomerate::billionths(0.3)));
  EXPECT_TRUE(agglomerate::reaches(0, 1, agglomerate::billionths(0.0)));
  EXPECT_TRUE(agglomerate::reaches(65535, 1, agglomerate::billionths(1.0)));
  EXPECT_FALSE(agglomerate::reaches(65534, 1, agglomerate::billionths(1.0)));
}

TEST(Agglomerate, RefusesARegionGraphOfOtherLabels) {
  const Box domain{{0, 0, 0}, {4, 4, 4}};
  const ReductionContext context{NodeContext{domain, domain}};
  const std::vector<region_graph::Edge> edges{{1, 99, 5, 1, 0}};
  const std::vector<region_graph::Node> nodes{{1, 64, 63}};
  EXPECT_THROW(agglomerate::link(agglomerate::graph_of_block(edges, nodes, context), MergeRule{}, context),
               Error);
}

}  // namespace
}  // namespace petavox
