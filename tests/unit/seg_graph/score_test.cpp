#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/score/score_stage.hpp"

#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>

namespace petavox {
namespace {

using score::ScoreAccumulator;
using score::Scores;
using testing::MemoryRunOptions;
using testing::MemoryValue;
using testing::MemoryValues;
using testing::Random;

/// The measures written down from their definitions, in floating point, for small volumes.
struct Naive {
  double voi_split = 0, voi_merge = 0, adapted_rand_error = 0, rand_split = 0, rand_merge = 0, v_rand = 0,
         v_info = 0;
};

double entropy(const std::map<std::vector<std::uint64_t>, double>& counts, double n) {
  double h = 0;
  for (const auto& [key, c] : counts) h -= c / n * std::log2(c / n);
  return h;
}
double squares(const std::map<std::vector<std::uint64_t>, double>& counts) {
  double sum = 0;
  for (const auto& [key, c] : counts) sum += c * c;
  return sum;
}

Naive naive_scores(const Array& labels, const Array& truth, const std::set<std::uint64_t>& ignored,
                   bool sections) {
  using Counts = std::map<std::vector<std::uint64_t>, double>;
  // p, s, t: all labels; q, r: without label 0; i, j: each voxel of label 0 an object of its own.
  Counts p, s, t, q, r, i, j;
  double n = 0, all = 0, zeros = 0;
  labels.box().for_each([&](Coord v) {
    const std::uint64_t a = labels.view<std::uint64_t>()[v], b = truth.view<std::uint64_t>()[v];
    const std::uint64_t z = sections ? static_cast<std::uint64_t>(v.z + 1000) : 0;
    const std::uint64_t own = a == 0 ? name_of_voxel(labels.box(), v) : 0;
    ++all;
    if (ignored.contains(b)) return;
    ++n;
    ++p[{z, a, b}], ++s[{z, a}], ++t[{z, b}];
    ++i[{z, a, b, own}], ++j[{z, a, own}];
    if (a == 0)
      ++zeros;
    else
      ++q[{z, a, b}], ++r[{z, a}];
  });
  Naive out;
  if (n == 0) return out;
  out.voi_split = entropy(p, n) - entropy(t, n);
  out.voi_merge = entropy(p, n) - entropy(s, n);
  const double ab = squares(q) + zeros / all, precision = ab / (squares(r) + zeros / all),
               recall = ab / squares(t);
  out.adapted_rand_error = 1 - 2 * precision * recall / (precision + recall);
  out.rand_split = squares(p) / squares(t);
  out.rand_merge = squares(p) / squares(s);
  out.v_rand = squares(i) / (0.5 * squares(j) + 0.5 * squares(t));
  const double mutual = entropy(j, n) + entropy(t, n) - entropy(i, n);
  out.v_info = entropy(j, n) + entropy(t, n) == 0 ? 1 : mutual / (0.5 * entropy(j, n) + 0.5 * entropy(t, n));
  return out;
}

void expect_near(const Naive& expected, const Scores& found) {
  EXPECT_NEAR(expected.voi_split, found.voi_split, 1e-9);
  EXPECT_NEAR(expected.voi_merge, found.voi_merge, 1e-9);
  EXPECT_NEAR(expected.adapted_rand_error, found.adapted_rand_error, 1e-9);
  EXPECT_NEAR(expected.rand_split, found.rand_split, 1e-9);
  EXPECT_NEAR(expected.rand_merge, found.rand_merge, 1e-9);
  EXPECT_NEAR(expected.v_rand, found.v_rand, 1e-9);
  EXPECT_NEAR(expected.v_info, found.v_info, 1e-9);
  EXPECT_NEAR(std::sqrt((expected.voi_split + expected.voi_merge) * expected.adapted_rand_error),
              found.cremi_score, 1e-6);
}

Array random_truth(const Box& box, std::uint64_t labels, Random& random) {
  Array truth{DType::u64, box};
  std::uint64_t last = 0;
  box.for_each([&](Coord p) {
    if (random.below(3) == 0) last = random.below(labels);
    truth.view<std::uint64_t>()[p] = last;
  });
  return truth;
}

TEST(Scores, ByHand) {
  // Truth: 4 voxels of A, 4 of B. Labels split A in halves and merge nothing.
  const Box box{{0, 0, 0}, {1, 2, 4}};
  Array labels{DType::u64, box}, truth{DType::u64, box};
  box.for_each([&](Coord p) {
    truth.view<std::uint64_t>()[p] = p.y == 0 ? 7 : 9;
    labels.view<std::uint64_t>()[p] = p.y == 1 ? 3 : p.x < 2 ? 1 : 2;
  });
  ScoreAccumulator accumulator;
  accumulator.add(labels, truth);
  const Scores s = accumulator.scores();
  EXPECT_DOUBLE_EQ(s.voi_split, 0.5);
  EXPECT_DOUBLE_EQ(s.voi_merge, 0.0);
  EXPECT_DOUBLE_EQ(s.rand_split, 24.0 / 32);
  EXPECT_DOUBLE_EQ(s.rand_merge, 1.0);
  EXPECT_DOUBLE_EQ(s.adapted_rand_error, 1 - 2 * 24.0 / 56);
  EXPECT_EQ(s.num_labels, 3U);
  EXPECT_EQ(s.num_pairs, 3U);
  EXPECT_EQ(score::to_json(s),
            "{\"voi_split\": 0.500000000, \"voi_merge\": 0.000000000, \"adapted_rand_error\": 0.142857143, "
            "\"rand_split\": 0.750000000, \"rand_merge\": 1.000000000, \"v_rand\": 0.857142857, "
            "\"v_info\": 0.800000000, \"cremi_score\": 0.267261242, \"voxels\": 8, \"scored_voxels\": 8, "
            "\"zero_voxels\": 0, \"num_labels\": 3, \"num_truths\": 2, \"num_pairs\": 3, "
            "\"sum_pairs_squared\": 24, \"sum_labels_squared\": 24, \"sum_zero_pairs_squared\": 0, "
            "\"sum_zero_labels_squared\": 0, \"sum_truths_squared\": 32}");
}

TEST(Scores, IntegersBeyondDoublesAreWritten) {
  EXPECT_EQ(score::decimal(0), "0");
  EXPECT_EQ(score::decimal((score::Wide{1} << 100)), "1267650600228229401496703205376");
  score::Tally tally;
  tally.pairs = tally.labels = tally.truths = {{std::uint64_t{1} << 50, 3}};
  tally.voxels = std::uint64_t{3} << 50;
  const Scores s = score::scores_of(tally);
  EXPECT_EQ(s.sum_pairs_squared, score::Wide{3} << 100);
  EXPECT_THAT(score::to_json(s),
              ::testing::HasSubstr("\"sum_truths_squared\": \"3802951800684688204490109616128\""));
  EXPECT_DOUBLE_EQ(s.adapted_rand_error, 0.0);
}

TEST(Scores, AgreeWithTheirDefinitions) {
  Random random{17};
  for (int round = 0; round < 200; ++round) {
    const auto side = [&] { return static_cast<Index>(1 + random.below(9)); };
    const Box box = Box::from({-4, 0, 17}, {side(), side(), side()});
    const Array labels = random_truth(box, 1 + random.below(9), random);
    const Array truth = random_truth(box, 1 + random.below(9), random);
    const bool sections = random.below(2) == 0;
    score::Counting counting{{0}, sections};
    if (random.below(2) == 0) counting.ignored_truths = {2, 3};
    ScoreAccumulator accumulator{counting};
    accumulator.add(labels, truth);
    SCOPED_TRACE(round);
    expect_near(naive_scores(labels, truth, {counting.ignored_truths.begin(), counting.ignored_truths.end()},
                             sections),
                accumulator.scores());
  }
}

TEST(Scores, PerfectAndEmptyVolumes) {
  const Box box{{0, 0, 0}, {3, 3, 3}};
  Array one{DType::u64, box}, none{DType::u64, box};
  box.for_each([&](Coord p) { one.view<std::uint64_t>()[p] = 1; });
  ScoreAccumulator perfect, empty;
  perfect.add(one, one);
  empty.add(one, none);
  EXPECT_EQ(perfect.scores().adapted_rand_error, 0.0);
  EXPECT_EQ(perfect.scores().v_info, 1.0);
  EXPECT_EQ(perfect.scores().v_rand, 1.0);
  EXPECT_EQ(empty.scores().scored_voxels, 0U);
  EXPECT_EQ(empty.scores().voxels, 27U);
  EXPECT_EQ(empty.scores().cremi_score, 0.0);
}

TEST(Scores, AnyIntegerTypeNegativeLabelsIncluded) {
  const Box box{{0, 0, 0}, {4, 5, 6}};
  Random random{4};
  const Array labels = random_truth(box, 5, random), truth = random_truth(box, 5, random);
  const std::uint64_t minus_one = ~std::uint64_t{0};
  ScoreAccumulator expected{{{1}, false}};
  expected.add(labels, truth);
  for (const DType type : {DType::i8, DType::i16, DType::i32, DType::i64}) {
    Array shifted{type, box};
    visit_dtype(type, [&]<class T>(std::type_identity<T>) {
      box.for_each([&](Coord p) {
        const std::uint64_t value = truth.view<std::uint64_t>()[p];
        shifted.view<T>()[p] = static_cast<T>(static_cast<int>(value) - 2);  // 1 becomes -1
      });
    });
    ScoreAccumulator found{{{minus_one}, false}};
    found.add(labels, shifted);
    EXPECT_EQ(score::to_json(expected.scores()), score::to_json(found.scores())) << name_of(type);
  }
  ScoreAccumulator accumulator;
  EXPECT_THROW(accumulator.add(labels, Array{DType::f32, box}), Error);
  EXPECT_THROW(accumulator.add(labels, Array{DType::u8, box, 2}), Error);
  EXPECT_THROW(accumulator.add(labels, Array{DType::u8, Box{{0, 0, 0}, {4, 5, 7}}}), Error);
}

TEST(Scores, TheIgnoreMaskTakesVoxelsOut) {
  const Box box{{0, 0, 0}, {6, 7, 8}}, kept{{0, 0, 0}, {6, 7, 4}};
  Random random{8};
  const Array labels = random_truth(box, 5, random), truth = random_truth(box, 5, random);
  Array ignore{DType::u16, box};
  box.for_each([&](Coord p) { ignore.view<std::uint16_t>()[p] = kept.contains(p) ? 0 : 300; });
  ScoreAccumulator masked, cut;
  masked.add(labels, truth, &ignore);
  cut.add(testing::cut_out(labels, kept), testing::cut_out(truth, kept));
  EXPECT_EQ(score::to_json(masked.scores()), score::to_json(cut.scores()));
}

TEST(Scores, StreamingInBlocksGivesTheSame) {
  const Box box{{-3, 2, 0}, {20, 30, 40}};
  Random random{8};
  const Array labels = random_truth(box, 4000, random), truth = random_truth(box, 300, random);
  for (const bool sections : {false, true}) {
    ScoreAccumulator whole{{{0}, sections}}, parts{{{0}, sections}};
    whole.add(labels, truth);
    const Tiling tiling{box, {4, 9, 7}};
    for (Index b = tiling.count(); b-- > 0;)
      parts.add(testing::cut_out(labels, tiling.core(b)), testing::cut_out(truth, tiling.core(b)));
    EXPECT_EQ(score::to_json(whole.scores()), score::to_json(parts.scores()));
  }
}

StageType score_type() {
  return {std::string{Score::name}, std::string{Score::summary}, "test", [](Params& params) {
            StageProgram program;
            program.steps.emplace_back(std::make_unique<TreeReductionOf<Score>>(params));
            return program;
          }};
}

TEST(Score, ConformsToTheKit) {
  using testing::ParamTexts;
  for (const ParamTexts& params :
       {ParamTexts{}, ParamTexts{{"mode", "2d"}}, ParamTexts{{"connected", "true"}},
        ParamTexts{{"connected", "true"}, {"mode", "2d"}, {"ignore_truth", "[0, 255, -1]"}},
        ParamTexts{{"ignore_truth", "[]"}}}) {
    testing::KitOptions options;
    options.params = params;
    EXPECT_TRUE(testing::check_stage_type(score_type(), options));
  }
}

std::string summary_of(const MemoryValues& inputs, const testing::ParamTexts& params,
                       const MemoryRunOptions& options) {
  const auto out = testing::run_in_memory(testing::make_program(score_type(), params), inputs, options);
  const Bytes& bytes = out.at("score").bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Score, StageAndAccumulatorAgree) {
  const Box domain{{-5, 0, 3}, {9, 13, 15}};
  Random random{21};
  for (int round = 0; round < 20; ++round) {
    const Array labels = testing::random_labels(domain, 14, random.next());
    const Array truth = random_truth(domain, 6, random);
    ScoreAccumulator volume, sections{{{0}, true}};
    volume.add(labels, truth);
    sections.add(labels, truth);
    const MemoryValues inputs{{"segments", MemoryValue::labels(labels)},
                              {"truth", MemoryValue::image(truth.clone())}};
    MemoryRunOptions options;
    options.guillotine_seed = random.next();
    for (const std::string connected : {"true", "false"}) {
      EXPECT_EQ(summary_of(inputs, {{"connected", connected}}, options), score::to_json(volume.scores()));
      EXPECT_EQ(summary_of(inputs, {{"connected", connected}, {"mode", "2d"}}, options),
                score::to_json(sections.scores()));
    }
  }
}

TEST(Score, LabelsInPartsAreFoundWhereTheyMatter) {
  const Box domain{{0, 0, 0}, {1, 1, 30}};
  Array labels{DType::u64, domain}, truth{DType::u8, domain};
  domain.for_each([&](Coord p) {
    labels.view<std::uint64_t>()[p] = p.x % 10 == 5 ? 6 : p.x + 1;  // three single voxels of one name
    truth.view<std::uint8_t>()[p] = 1;
  });
  const MemoryValues inputs{{"segments", MemoryValue::labels(labels)},
                            {"truth", MemoryValue::image(truth.clone())}};
  MemoryRunOptions options;
  options.block_shape = {1, 1, 10};
  ScoreAccumulator expected;
  expected.add(labels, truth);
  EXPECT_EQ(summary_of(inputs, {}, options), score::to_json(expected.scores()));
  EXPECT_THROW(static_cast<void>(summary_of(inputs, {{"connected", "true"}}, options)), Error);
}

TEST(Score, ChecksItsParameters) {
  EXPECT_THROW(testing::make_program(score_type(), {{"ignore_truth", "[0, x]"}}), Error);
  EXPECT_THROW(testing::make_program(score_type(), {{"mode", "4d"}}), Error);
}

}  // namespace
}  // namespace petavox
