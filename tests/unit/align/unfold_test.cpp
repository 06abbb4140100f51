// Fields that would fold over are mended, there and nowhere else.

#include "stages/align/unfold.hpp"

#include "petavox/base/hash.hpp"
#include "petavox/volume/array.hpp"

#include "unit/align/area.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox::align {
namespace {

constexpr Index spacing = 16;

/// Gently bent sections; jumps are added by the tests.
Array gentle(const Box& lattice) {
  Array field{DType::i32, lattice, 2};
  const auto view = field.view<std::int32_t>();
  lattice.for_each([&](Coord p) {
    view.at(0, p) = to_units(6 * std::sin(0.4 * static_cast<double>(p.y + p.x)));
    view.at(1, p) = to_units(5 * std::cos(0.5 * static_cast<double>(p.x) + static_cast<double>(p.z)));
  });
  return field;
}

TEST(Unfold, LeavesWhatDoesNotFoldAsItIs) {
  Array field = gentle(Box::from({2, -3, 5}, {2, 14, 12}));
  const Array before = field.clone();
  EXPECT_EQ(unfold(field, spacing), 0);
  EXPECT_TRUE(std::ranges::equal(field.bytes(), before.bytes()));
}

TEST(Unfold, MendsAFoldAndOnlyItsSurroundings) {
  Array field = gentle(Box::from({2, -3, 5}, {2, 30, 30}));
  field.view<std::int32_t>().at(0, {3, 10, 20}) += to_units(40);  // one node thrown over the next
  const Array before = field.clone();
  ASSERT_LT(test::least_area(field, spacing, 3), 0);
  const Index replaced = unfold(field, spacing);
  EXPECT_GT(replaced, 0);
  EXPECT_LT(replaced, 100);
  EXPECT_GT(test::least_area(field, spacing, 3), 0);
  const auto was = before.view<std::int32_t>(), is = std::as_const(field).view<std::int32_t>();
  field.box().for_each([&](Coord p) {
    const bool far = p.z == 2 || std::abs(p.y - 10) > 6 || std::abs(p.x - 20) > 6;
    for (int c = 0; c < 2 && far; ++c) ASSERT_EQ(is.at(c, p), was.at(c, p)) << to_string(p);
  });
  // Where it was wrong, the surroundings speak: as before the jump, to a pixel or two.
  EXPECT_NEAR(is.at(0, {3, 10, 20}) / field_units_per_px, 6 * std::sin(0.4 * 30), 3);
}

TEST(Unfold, MendsWhateverItIsGiven) {
  for (const double most : {20.0, 60.0, 300.0}) {
    Array field{DType::i32, Box::from({0, 0, 0}, {3, 13, 9}), 2};
    const auto view = field.view<std::int32_t>();
    field.box().for_each([&](Coord p) {
      for (int c = 0; c < 2; ++c) {
        const auto random = mix64(static_cast<std::uint64_t>(2 * field.box().raster(p) + c)) >> 40;
        view.at(c, p) = to_units(most * (static_cast<double>(random) / 8388608.0 - 1));
      }
    });
    ASSERT_LT(test::least_area(field, spacing, 1), 0);
    unfold(field, spacing);
    for (Index z = 0; z < 3; ++z) EXPECT_GT(test::least_area(field, spacing, z), 0) << most;
  }
}

TEST(Unfold, MendsTheRimToo) {
  Array field = gentle(Box::from({0, 0, 0}, {1, 12, 12}));
  for (const Coord p : {Coord{0, 0, 4}, Coord{0, 11, 11}, Coord{0, 6, 0}})
    field.view<std::int32_t>().at(0, p) += to_units(p.y == 11 ? -30 : 30);
  ASSERT_LT(test::least_area(field, spacing, 0), 0);
  unfold(field, spacing);
  EXPECT_GT(test::least_area(field, spacing, 0), 0);
}

}  // namespace
}  // namespace petavox::align
