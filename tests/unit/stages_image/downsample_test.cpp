#include "stages/downsample/downsample.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/downsample/kernel.hpp"

#include <map>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::KitOptions;

/// Kit options with inputs of one type; masks have the fine grid, so they are left to the framework's tests.
KitOptions with_image(DType type) {
  KitOptions options;
  options.masks = false;
  options.inputs = [type](std::uint64_t seed) {
    const Box domain = Box::from({-5, 3, -1}, {11, 9, 14});
    return testing::MemoryValues{
        {"input", testing::MemoryValue::image(testing::random_image(
                      type, domain, 1, static_cast<testing::Texture>(seed % testing::num_textures), seed))}};
  };
  return options;
}

TEST(Downsample, MeanIsDecompositionInvariant) {
  for (const DType type : {DType::u8, DType::i16, DType::f32})
    for (const char* factor : {"[2, 2, 2]", "[1, 3, 2]"})
      EXPECT_TRUE(testing::check_stage<Downsample>({{"factor", factor}}, with_image(type))) << factor;
}

TEST(Downsample, ModeIsDecompositionInvariant) {
  for (const DType type : {DType::u32, DType::u64, DType::i64})
    EXPECT_TRUE(
        testing::check_stage<Downsample>({{"factor", "[1, 2, 3]"}, {"method", "mode"}}, with_image(type)));
}

TEST(Downsample, LabelsAreDecompositionInvariant) {
  KitOptions options;
  options.masks = false;
  options.inputs = [](std::uint64_t seed) {
    return testing::MemoryValues{{"input", testing::MemoryValue::labels(testing::random_labels(
                                               Box::from({0, 0, 0}, {12, 10, 8}), 20, seed))}};
  };
  EXPECT_TRUE(testing::check_stage<Downsample>({{"factor", "[2, 2, 2]"}, {"method", "labels"}}, options));
}

TEST(Downsample, MeanEqualsItsDefinition) {
  const Box domain = Box::from({-3, 1, -4}, {5, 6, 7});
  const Extent factor{2, 3, 2};
  const Array fine = testing::random_image(DType::i16, domain, 2, testing::Texture::uniform, 1);
  Array coarse{DType::i16, coarsened(domain, factor), 2};
  downsample::mean_of(fine, coarse, factor);
  const auto in = fine.view<std::int16_t>();
  const auto out = coarse.view<std::int16_t>();
  for (int c = 0; c < 2; ++c)
    coarse.box().for_each([&](Coord p) {
      Index sum = 0, n = 0;
      domain.for_each([&](Coord q) {
        if (coarsened(Box::from(q, {1, 1, 1}), factor).begin != p) return;
        sum += in.at(c, q);
        ++n;
      });
      EXPECT_EQ(out.at(c, p), floor_div(2 * sum + n, 2 * n)) << to_string(p);
    });
}

TEST(Downsample, ModeEqualsItsDefinitionTiesToTheSmaller) {
  const Box domain = Box::from({-3, 1, -4}, {5, 6, 7});
  const Extent factor{2, 2, 2};
  const Array fine = testing::random_image(DType::u32, domain, 1, testing::Texture::few_values, 2);
  Array coarse{DType::u32, coarsened(domain, factor)};
  downsample::mode_of(fine, coarse, factor);
  const auto in = fine.view<std::uint32_t>();
  coarse.box().for_each([&](Coord p) {
    std::map<std::uint32_t, int> counts;
    refined(Box::from(p, {1, 1, 1}), factor).intersect(domain).for_each([&](Coord q) { ++counts[in[q]]; });
    std::uint32_t best = 0;
    int best_count = 0;
    for (const auto& [value, count] : counts)
      if (count > best_count) {
        best = value;
        best_count = count;
      }
    EXPECT_EQ(coarse.view<std::uint32_t>()[p], best) << to_string(p);
  });
}

TEST(Downsample, ChoosesFactorsByVoxelSize) {
  const VoxelSizeNm tem{50, 4, 4}, fib{10, 10, 10}, cortex{33, 8, 8};
  EXPECT_EQ(downsample::factor_of(fib, 2), (Extent{4, 4, 4}));
  EXPECT_EQ(downsample::factor_of(tem, 1), (Extent{1, 2, 2}));
  EXPECT_EQ(downsample::factor_of(tem, 4), (Extent{1, 16, 16}));
  EXPECT_EQ(downsample::factor_of(tem, 5), (Extent{2, 32, 32}));
  EXPECT_EQ(downsample::factor_of(cortex, 3), (Extent{2, 8, 8}));
}

}  // namespace
}  // namespace petavox
