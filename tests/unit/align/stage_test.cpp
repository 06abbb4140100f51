// The whole stage: sections warped each in its own way come into register, and the answer does not depend on
// the blocks.

#include "petavox/testing/stage_kit.hpp"

#include "stages/align/align.hpp"
#include "stages/align/placement.hpp"

#include "unit/align/area.hpp"
#include "unit/align/texture.hpp"

#include <cmath>

namespace petavox::align {
namespace {

using testing::MemoryValue;
using testing::MemoryValues;

constexpr double pi = 3.14159265358979;

/// Where the pixel (y, x) of section z comes from.
std::pair<double, double> warp(Index z, double y, double x) {
  const auto k = static_cast<double>(mix64(static_cast<std::uint64_t>(z) + 5) % 13) - 6;
  return {y + 0.6 * k + 0.5 * k * std::sin(2 * pi * x / 160),
          x - 0.5 * k + 0.4 * k * std::cos(2 * pi * y / 150)};
}

MemoryValues stack(const Box& domain, const std::vector<Index>& blank = {}) {
  Array image{DType::u8, domain};
  const auto view = image.view<std::uint8_t>();
  domain.for_each([&](Coord p) {
    const auto [y, x] = warp(p.z, static_cast<double>(p.y), static_cast<double>(p.x));
    const bool empty = std::ranges::find(blank, p.z) != blank.end();
    view[p] = empty ? 0 : static_cast<std::uint8_t>(test::texture_at(11, y, x) + 0.5);
  });
  MemoryValues inputs;
  inputs.emplace("input", MemoryValue::image(std::move(image)));
  return inputs;
}

const testing::ParamTexts small{{"levels", "[2, 1]"}, {"patch", "24"},     {"radius", "8"},
                                {"spacing", "12"},    {"margin", "6"},     {"coarsening", "2"},
                                {"sweeps", "2"},      {"max_shift", "16"}, {"finest", "1"}};
/// The nodes of the last pass as dense, its matches of pixels twice as wide.
const testing::ParamTexts coarser{{"levels", "[2, 1]"}, {"patch", "40"},     {"radius", "8"},
                                  {"spacing", "8"},     {"margin", "6"},     {"coarsening", "2"},
                                  {"sweeps", "2"},      {"max_shift", "16"}, {"finest", "2"}};

/// Mean absolute difference of neighbouring sections, 12 pixels inside.
double roughness(const Array& image, const std::vector<Index>& without = {}) {
  const auto view = image.view<std::uint8_t>();
  const Box& b = image.box();
  double sum = 0;
  Index count = 0;
  const auto bad = [&](Index z) { return std::ranges::find(without, z) != without.end(); };
  for (Index z = b.begin.z + 1; z < b.end.z; ++z)
    for (Index y = b.begin.y + 18; y < b.end.y - 18; ++y)
      for (Index x = b.begin.x + 18; x < b.end.x - 18; ++x) {
        if (bad(z) || bad(z - 1)) continue;
        sum += std::abs(view[{z, y, x}] - view[{z - 1, y, x}]);
        ++count;
      }
  return sum / static_cast<double>(count);
}

TEST(AlignStage, BringsWarpedSectionsIntoRegister) {
  const MemoryValues inputs = stack(Box::from({0, 0, 0}, {8, 110, 120}));
  const double before = roughness(inputs.at("input").voxels());
  const MemoryValues out = testing::run_in_memory(testing::make_program(align_stage(), small), inputs);
  const Array& aligned = out.at("aligned").voxels();
  EXPECT_EQ(aligned.box(), Box::from({0, -6, -6}, {8, 122, 132}));
  EXPECT_LT(roughness(aligned), 0.25 * before) << "before: " << before;
}

TEST(AlignStage, MatchesPixelsNoFinerThanAsked) {
  const MemoryValues inputs = stack(Box::from({0, 0, 0}, {8, 110, 120}));
  const double before = roughness(inputs.at("input").voxels());
  const MemoryValues out = testing::run_in_memory(testing::make_program(align_stage(), coarser), inputs);
  EXPECT_LT(roughness(out.at("aligned").voxels()), 0.35 * before) << "before: " << before;
  const Extent lattice = out.at("displacement").voxels().box().shape();
  EXPECT_EQ(lattice.x, coarsened(out.at("aligned").voxels().box(), {1, 8, 8}).shape().x);
}

TEST(AlignStage, IsDecompositionInvariant) {
  testing::KitOptions options;
  options.inputs = [](std::uint64_t) { return stack(Box::from({3, -7, 5}, {4, 50, 61})); };
  options.block_shapes = {{2, 16, 24}, {1, 50, 61}, {4, 7, 64}};
  for (const auto& params : {small, coarser}) {
    options.params = params;
    EXPECT_TRUE(testing::check_stage_type(align_stage(), options));
  }
}

/// Sections that tell the course of tissue, turned by their placements: all steps have something to do.
TEST(AlignStage, IsDecompositionInvariantWithACourse) {
  constexpr Index sections = 34;
  testing::KitOptions options;
  options.params = {{"levels", "[1]"},   {"patch", "16"}, {"radius", "4"}, {"spacing", "8"},
                    {"coarsening", "2"}, {"sweeps", "1"}, {"course", "4"}, {"finest", "1"}};
  options.inputs = [](std::uint64_t) {
    const Box domain = Box::from({2, -3, 4}, {sections, 30, 37});
    MemoryValues inputs = stack(domain);
    Array placement{DType::i64, coarse_align::column_of(domain), coarse_align::placement_channels};
    for (Index z = domain.begin.z; z < domain.end.z; ++z) {
      Placement p;
      p.yx = 0.01 * static_cast<double>(z % 5 - 2) + 0.002 * static_cast<double>(z);
      p.xy = -p.yx;
      coarse_align::store_affine(placement.view<std::int64_t>(), {z, 0, 0}, p);
    }
    inputs.emplace("placement", MemoryValue::image(std::move(placement)));
    return inputs;
  };
  options.block_shapes = {{5, 12, 37}, {34, 8, 16}};
  options.guillotine_rounds = 1;
  EXPECT_TRUE(testing::check_stage_type(align_stage(), options));
}

TEST(AlignStage, ABlankSectionDoesNotSpoilTheOthers) {
  const std::vector<Index> blank{4};
  const MemoryValues inputs = stack(Box::from({0, 0, 0}, {8, 110, 120}), blank);
  const double before = roughness(inputs.at("input").voxels(), blank);
  const MemoryValues out = testing::run_in_memory(testing::make_program(align_stage(), small), inputs);
  EXPECT_LT(roughness(out.at("aligned").voxels(), blank), 0.3 * before) << "before: " << before;
}

TEST(AlignStage, NowhereFoldsOverWhereASectionLacksAStrip) {
  // Every other section has swallowed a strip that is wider than a spacing: on its two sides, matches say
  // displacements that differ by more than the nodes' distance.
  Array image{DType::u8, Box::from({0, 0, 0}, {6, 110, 120})};
  image.box().for_each([&](Coord p) {
    const auto y = static_cast<double>(p.y), x = static_cast<double>(p.x);
    image.view<std::uint8_t>()[p] =
        static_cast<std::uint8_t>(test::texture_at(11, y, p.z % 2 == 1 && p.x >= 60 ? x + 14 : x) + 0.5);
  });
  MemoryValues inputs;
  inputs.emplace("input", MemoryValue::image(std::move(image)));
  const testing::ParamTexts params{{"levels", "[1, 1]"}, {"patch", "36"},     {"radius", "16"},
                                   {"spacing", "8"},     {"coarsening", "2"}, {"stiffness", "1e-6"},
                                   {"finest", "1"}};
  const MemoryValues out = testing::run_in_memory(testing::make_program(align_stage(), params), inputs);
  for (Index z = 0; z < 6; ++z) EXPECT_GT(test::least_area(out.at("displacement").voxels(), 8, z), 0) << z;
}

TEST(AlignStage, StacksThatCannotBeAlignedStayAsTheyAre) {
  for (const Index sections : {1, 2}) {
    const Box domain = Box::from({0, 0, 0}, {sections, 40, 40});
    MemoryValues inputs;
    inputs.emplace("input", MemoryValue::image(Array{DType::u8, domain}));  // all black
    const MemoryValues out = testing::run_in_memory(testing::make_program(align_stage(), small), inputs);
    for (const std::byte b : out.at("aligned").voxels().bytes()) ASSERT_EQ(b, std::byte{0});
  }
  // A single section is shown as it is.
  const MemoryValues inputs = stack(Box::from({0, 0, 0}, {1, 40, 40}));
  const MemoryValues out = testing::run_in_memory(testing::make_program(align_stage(), small), inputs);
  const auto in = inputs.at("input").voxels().view<std::uint8_t>();
  const auto seen = out.at("aligned").voxels().view<std::uint8_t>();
  in.box().for_each([&](Coord p) { ASSERT_EQ(in[p], seen[p]) << to_string(p); });
}

TEST(AlignStage, SettingsThatMakeNoSenseAreNamed) {
  const auto problem = [](const testing::ParamTexts& params) -> std::string {
    try {
      static_cast<void>(testing::make_program(align_stage(), params));
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  EXPECT_NE(problem({{"levels", "[1, 2]"}}).find("levels must be descending powers of two"),
            std::string::npos);
  EXPECT_NE(problem({{"links", "[2, 3]"}}).find("links must be different and begin with 1"),
            std::string::npos);
  EXPECT_NE(problem({{"finest", "3"}}).find("finest must be a power of two"), std::string::npos);
  EXPECT_NE(problem({{"finest", "16"}}).find("finest must be a power of two"), std::string::npos);
}

}  // namespace
}  // namespace petavox::align
