// The whole stage: sections turned by any angle are placed, a blank one is bridged, and blocks do not matter.

#include "petavox/testing/stage_kit.hpp"

#include "stages/align/align.hpp"
#include "stages/coarse_align/affine.hpp"
#include "stages/place_sections/place_sections.hpp"

#include "unit/align/texture.hpp"

#include <cmath>

namespace petavox::place_sections {
namespace {

using coarse_align::Affine;
using testing::MemoryValue;
using testing::MemoryValues;

constexpr Index side = 150;

/// Where in the texture the pixels of section z lie: about the middle, turned and scaled, then shifted.
Affine truth_of(double degrees, double scale, double dy, double dx) {
  const double a = degrees * 3.14159265358979 / 180, m = (side - 1) / 2.0;
  Affine t;
  t.yy = t.xx = scale * std::cos(a);
  t.yx = scale * std::sin(a);
  t.xy = -t.yx;
  t.y0 = m - (t.yy + t.yx) * m + dy;
  t.x0 = m - (t.xy + t.xx) * m + dx;
  return t;
}

MemoryValues stack(const std::vector<Affine>& truth, Index blank, Coord corner) {
  Array image{DType::u8, Box::from(corner, {static_cast<Index>(truth.size()), side, side})};
  const auto view = image.view<std::uint8_t>();
  image.box().for_each([&](Coord p) {
    if (p.z - corner.z == blank) return;
    const Affine& t = truth[static_cast<std::size_t>(p.z - corner.z)];
    const auto y = static_cast<double>(p.y - corner.y), x = static_cast<double>(p.x - corner.x);
    view[p] = static_cast<std::uint8_t>(test::texture_at(3, t.y(y, x), t.x(y, x)) + 0.5);
  });
  MemoryValues inputs;
  inputs.emplace("input", MemoryValue::image(std::move(image)));
  return inputs;
}

std::string text_of(const MemoryValue& value) {
  const Bytes& bytes = value.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(PlaceSections, TurnedScaledAndBlankSections) {
  const std::vector<Affine> truth{truth_of(0, 1, 0, 0), truth_of(-25, 1.05, 6, -9), truth_of(180, 1, 4, 3),
                                  truth_of(0, 1, 0, 0), truth_of(30, 0.95, -8, 5),  truth_of(5, 1, 2, 2)};
  constexpr Index blank = 3;
  MemoryValues inputs = stack(truth, blank, {0, 0, 0});
  const MemoryValues out = testing::run_in_memory(testing::make_program(place_sections_stage(), {}), inputs);
  const Array& column = out.at("placement").voxels();
  const auto placements = column.view<std::int64_t>();
  const auto shown = [&](Index z, double y, double x) {
    const Affine all =
        truth[static_cast<std::size_t>(z)].after(coarse_align::load_affine(placements, {z, 0, 0}));
    return std::pair{all.y(y, x), all.x(y, x)};
  };
  for (Index z = 1; z < 6; ++z) {
    EXPECT_EQ(placements.at(coarse_align::placement_bad, {z, 0, 0}), z == blank ? 1 : 0) << z;
    for (const double y : {30.0, 120.0})
      for (const double x : {30.0, 120.0}) {
        if (z == blank) continue;
        const auto [ay, ax] = shown(0, y, x);
        const auto [by, bx] = shown(z, y, x);
        EXPECT_LT(std::hypot(ay - by, ax - bx), 2.0) << z;
      }
  }
  const std::string report = text_of(out.at("placements"));
  EXPECT_NE(report.find(R"("sections_unplaced":1)"), std::string::npos) << report;
  EXPECT_NE(report.find(R"("sections_turned":1)"), std::string::npos) << report;
  EXPECT_NE(report.find(R"("sections_misplaced":0)"), std::string::npos) << report;

  // What `align` makes of it: sections that were turned show the same place.
  inputs.emplace("placement", MemoryValue::image(column.clone()));
  const MemoryValues aligned = testing::run_in_memory(
      testing::make_program(align_stage(),
                            {{"levels", "[1]"}, {"patch", "32"}, {"radius", "8"}, {"spacing", "16"}}),
      inputs);
  const auto view = aligned.at("aligned").voxels().view<std::uint8_t>();
  for (const Index z : {1, 2, 4, 5}) {
    double sum = 0;
    for (Index y = 50; y < 100; ++y)
      for (Index x = 50; x < 100; ++x) sum += std::abs(view[{z, y, x}] - view[{0, y, x}]);
    EXPECT_LT(sum / 2500, 12) << z;
  }
}

TEST(PlaceSections, IsDecompositionInvariant) {
  testing::KitOptions options;
  options.params = {{"min_inliers", "6"}, {"extent", "128"}, {"reach", "2"}};
  options.inputs = [](std::uint64_t) {
    // More sections than a task has.
    return stack({truth_of(0, 1, 0, 0), truth_of(12, 1, 3, 3), truth_of(0, 1, 0, 0), truth_of(2, 1, 0, 4),
                  truth_of(0, 1, 1, 0)},
                 1, {5, -3, 7});
  };
  options.block_shapes = {{2, 16, 100}};
  options.guillotine_rounds = 1;
  EXPECT_TRUE(testing::check_stage_type(place_sections_stage(), options));
}

TEST(PlaceSections, StacksWithNothingToPlaceStayWhereTheyAre) {
  for (const Index sections : {1, 2}) {
    MemoryValues inputs;
    inputs.emplace("input", MemoryValue::image(Array{DType::u8, Box::from({0, 0, 0}, {sections, 40, 40})}));
    const MemoryValues out =
        testing::run_in_memory(testing::make_program(place_sections_stage(), {}), inputs);
    const auto placements = out.at("placement").voxels().view<std::int64_t>();
    for (Index z = 0; z < sections; ++z)
      EXPECT_EQ(coarse_align::load_affine(placements, {z, 0, 0}), Affine{});
  }
}

}  // namespace
}  // namespace petavox::place_sections
