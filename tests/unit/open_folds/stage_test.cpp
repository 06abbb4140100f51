// The whole stage: what lies beyond a fold is put back, what is whole stays as it is, and blocks do not
// matter.

#include "petavox/testing/stage_kit.hpp"

#include "stages/open_folds/open_folds.hpp"

#include "unit/align/texture.hpp"

#include <cmath>

namespace petavox::open_folds::stage_test {

using testing::MemoryValue;
using testing::MemoryValues;

constexpr Index folded_section = 1;

/// Three sections of the same tissue; in the second, a fold swallowed 24 pixels and darkened 10.
std::uint8_t pixel(Index z, Index y, Index x, double fold_x) {
  double from = static_cast<double>(x), shade = 1;
  const double edge = fold_x + 0.3 * static_cast<double>(y);
  if (z == folded_section && from > edge) {
    if (from < edge + 10) shade = 0.15;
    from += 24;
  }
  return static_cast<std::uint8_t>(shade * test::texture_at(21, static_cast<double>(y), from) + 0.5);
}

MemoryValues stack(const Box& domain, double fold_x) {
  Array image{DType::u8, domain};
  const auto view = image.view<std::uint8_t>();
  domain.for_each([&](Coord p) { view[p] = pixel(p.z - domain.begin.z, p.y, p.x, fold_x); });
  MemoryValues inputs;
  inputs.emplace("input", MemoryValue::image(std::move(image)));
  return inputs;
}

TEST(OpenFolds, WhatLiesBeyondAFoldIsPutBack) {
  const Box domain = Box::from({0, 0, 0}, {3, 240, 260});
  const MemoryValues inputs = stack(domain, 110);
  const MemoryValues out = testing::run_in_memory(
      testing::make_program(open_folds_stage(), {{"margin", "8"}, {"min_inliers", "8"}}), inputs);
  const Array& opened = out.at("opened").voxels();
  EXPECT_EQ(opened.box(), Box::from({0, -8, -8}, {3, 256, 276}));
  const auto view = opened.view<std::uint8_t>();
  const auto excluded = out.at("excluded").voxels().view<std::uint8_t>();
  const auto input = inputs.at("input").voxels().view<std::uint8_t>();
  double difference = 0;
  Index shown = 0;
  domain.for_each([&](Coord p) {
    if (p.z != folded_section) {
      EXPECT_EQ(view[p], input[p]);
      EXPECT_EQ(excluded[p], 0);
      return;
    }
    if (excluded[p] != 0) {
      EXPECT_EQ(view[p], 0);
      return;
    }
    ++shown;
    // Where pieces lie as they belong, the section is like its neighbours.
    difference += std::abs(view[p] - input[{0, p.y, p.x}]);
  });
  EXPECT_GT(shown, 0.75 * 240 * 260);
  EXPECT_LT(difference / static_cast<double>(shown), 6);
  const Bytes& bytes = out.at("folds").bytes();
  const std::string report{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  EXPECT_NE(report.find(R"("sections_damaged":1,"pieces_moved":1,"pieces_lost":0)"), std::string::npos)
      << report;
}

TEST(OpenFolds, IsDecompositionInvariant) {
  testing::KitOptions options;
  options.params = {{"min_inliers", "6"}, {"extent", "96"}, {"margin", "5"}};
  options.inputs = [](std::uint64_t) { return stack(Box::from({4, -6, 3}, {3, 150, 170}), 70); };
  options.block_shapes = {{2, 32, 100}};
  options.guillotine_rounds = 1;
  EXPECT_TRUE(testing::check_stage_type(open_folds_stage(), options));
}

TEST(OpenFolds, AStackWithoutDamageStaysAsItIs) {
  for (const Index sections : {1, 2}) {
    const MemoryValues inputs = stack(Box::from({0, 0, 0}, {sections, 120, 100}), 1e6);
    const MemoryValues out = testing::run_in_memory(testing::make_program(open_folds_stage(), {}), inputs);
    EXPECT_TRUE(std::ranges::equal(out.at("opened").voxels().bytes(), inputs.at("input").voxels().bytes()));
  }
}

}  // namespace petavox::open_folds::stage_test
