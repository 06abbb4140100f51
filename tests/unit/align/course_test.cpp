// The course of tissue, told from the distortions of sections.

#include "stages/align/course.hpp"

#include "stages/align/field.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

namespace petavox::align {
namespace {

/// A number between -1 and 1, another for each i.
double noise(Index i) { return std::sin(12.9898 * static_cast<double>(i * i % 1009)); }

TEST(Course, AStraightCourseCostsNothingAndIsBridged) {
  std::vector<double> values, weights(40, 1.0);
  for (int z = 0; z < 40; ++z) values.push_back(3 + 0.25 * z);
  values[17] = 99;
  weights[17] = 0;
  const std::vector<double> slow = slow_part(values, 40, 1, 12, weights);
  for (int z = 0; z < 40; ++z) EXPECT_NEAR(slow[static_cast<std::size_t>(z)], 3 + 0.25 * z, 1e-6);
}

TEST(Course, SuddenStepsAreCut) {
  std::vector<double> values;
  for (int z = 0; z < 40; ++z) values.push_back(0.1 * z + 0.3 * noise(z) + (z < 20 ? 0 : 25));
  limit_steps(values, 40, 1, 0.05);
  EXPECT_LT(values[39] - values[0], 7);
  EXPECT_GT(values[39] - values[0], 2);
}

/// 50 sections each shifted by itself, in tissue that runs obliquely: `straight` is what matching
/// finds, `own` the distortions alone.
struct Stack {
  static constexpr Index spacing = 16;
  Box box = Box::from({3, -2, 0}, {50, 24, 20});
  Array straight{DType::i32, box, 2}, own{DType::i32, box, 2};
  Stack() {
    const auto s = straight.view<std::int32_t>(), o = own.view<std::int32_t>();
    box.for_each([&](Coord p) {
      for (int c = 0; c < 2; ++c) {
        const double bend = 2 * noise(11 * p.z + 5 * c);
        const double course =
            0.4 * static_cast<double>(p.z) + 4 * std::sin(0.05 * static_cast<double>(p.z + p.x));
        o.at(c, p) = to_units(bend);
        s.at(c, p) = to_units(bend + course);
      }
    });
  }
};

TEST(Course, IsKeptAndDistortionsAreNot) {
  const Stack stack;
  Array out{DType::i32, stack.box, 2};
  keep_course(stack.straight, Stack::spacing, 8, out);
  const auto found = out.view<std::int32_t>();
  const auto own = stack.own.view<std::int32_t>();
  double steps = 0, most = 0;
  Index count = 0;
  stack.box.for_each([&](Coord p) {
    if (p.y < 2 || p.y > 17 || p.x < 4 || p.x > 15 || p.z == stack.box.begin.z) return;
    const auto error = [&](Coord q) { return (found.at(0, q) - own.at(0, q)) / field_units_per_px; };
    steps += std::abs(error(p) - error({p.z - 1, p.y, p.x}));
    most = std::max(most, std::abs(error(p)));
    ++count;
  });
  EXPECT_LT(steps / static_cast<double>(count),
            0.2);      // the distortions differ by 1.6 from section to section
  EXPECT_LT(most, 3);  // the course leads away by 24
}

TEST(Course, DoesNotDependOnTheCutting) {
  const Stack stack;
  Array whole{DType::i32, stack.box, 2};
  keep_course(stack.straight, Stack::spacing, 8, whole);
  const Box core{{stack.box.begin.z, 20, 17}, {stack.box.end.z, 22, 19}};
  const Index reach = course_reach(Stack::spacing);
  const Box held = core.grow(Halo::symmetric({0, reach, reach})).intersect(stack.box);
  Array part{DType::i32, held, stack.box, 2}, out{DType::i32, core, stack.box, 2};
  const auto to = part.view<std::int32_t>();
  for (int c = 0; c < 2; ++c)
    held.for_each([&](Coord p) { to.at(c, p) = stack.straight.view<std::int32_t>().at(c, p); });
  keep_course(part, Stack::spacing, 8, out);
  const auto found = out.view<std::int32_t>();
  for (int c = 0; c < 2; ++c)
    core.for_each([&](Coord p) { ASSERT_EQ(found.at(c, p), whole.view<std::int32_t>().at(c, p)); });
}

/// Placements that turn the sections at random and of which the error grows slowly along the stack; matching
/// undoes the error.
struct PlacedStack {
  static constexpr Index spacing = 16;
  Box box = Box::from({0, 0, 0}, {60, 21, 21});
  Box source = Box::from({0, 0, 0}, {60, 21 * spacing, 21 * spacing});
  Vec2 middle{node_centre(10, spacing), node_centre(10, spacing)};
  Array placements{DType::i64, coarse_align::column_of(box), coarse_align::placement_channels};
  Array straight{DType::i32, box, 2};
  std::vector<Placement> of_field;

  /// From the canvas to the canvas.
  static Placement error_of(Index z) {
    const double a = 0.1 * std::sin(0.1 * static_cast<double>(z));
    Placement p;
    p.yy = 1.03 * std::cos(a);
    p.xx = std::cos(a);
    p.xy = std::sin(a);
    p.yx = -1.03 * p.xy;
    p.y0 = 0.3 * static_cast<double>(z);
    p.x0 = 20 * a;
    return p;
  }

  PlacedStack() {
    const auto field = straight.view<std::int32_t>();
    for (Index z = 0; z < 60; ++z) {
      const double a = 0.5 * noise(z);
      Placement turn, shift;
      turn.yy = turn.xx = std::cos(a);
      turn.xy = std::sin(a);
      turn.yx = -turn.xy;
      turn.y0 = middle.y;
      turn.x0 = middle.x;
      shift.y0 = -middle.y;
      shift.x0 = -middle.x;
      const Placement error = error_of(z), undone = error.inverse();
      const Placement placed = turn.after(shift.after(error));
      coarse_align::store_affine(placements.view<std::int64_t>(), {z, 0, 0}, placed);
      Box::from({z, 0, 0}, {1, 21, 21}).for_each([&](Coord n) {
        const Vec2 here{node_centre(n.y, spacing), node_centre(n.x, spacing)};
        const Vec2 d = source_of(undone, here) - here;
        field.at(0, n) = to_units(d.y);
        field.at(1, n) = to_units(d.x);
      });
      of_field.push_back(
          affine_of_field(std::as_const(straight).view<std::int32_t>(), z, spacing, placed, source));
    }
  }
};

TEST(Course, WhatAFieldDoesToAWholeSectionIsSeenWhereItShowsSomething) {
  PlacedStack stack;
  const Placement expected = PlacedStack::error_of(7).inverse();
  const auto near = [&](const Placement& found) {
    EXPECT_NEAR(found.yy, expected.yy, 1e-4);
    EXPECT_NEAR(found.yx, expected.yx, 1e-4);
    EXPECT_NEAR(found.xy, expected.xy, 1e-4);
    EXPECT_NEAR(found.xx, expected.xx, 1e-4);
    EXPECT_NEAR(found.y0, expected.y0, 0.02);
    EXPECT_NEAR(found.x0, expected.x0, 0.02);
  };
  near(stack.of_field[7]);
  // Beyond the section the field says anything.
  const auto field = stack.straight.view<std::int32_t>();
  Box::from({7, 0, 14}, {1, 21, 7}).for_each([&](Coord n) { field.at(0, n) = to_units(40); });
  const Box half = Box::from({0, 0, 0}, {60, 21 * PlacedStack::spacing, 200});
  near(
      affine_of_field(std::as_const(stack.straight).view<std::int32_t>(), 7, PlacedStack::spacing, {}, half));
  const Box elsewhere = Box::from({0, 0, 1000}, {60, 1, 1});
  EXPECT_EQ(affine_of_field(std::as_const(stack.straight).view<std::int32_t>(), 7, PlacedStack::spacing, {},
                            elsewhere),
            Placement{});
}

TEST(Course, WhatTheFieldDoesToAWholeSectionIsAnErrorOfThePlacement) {
  const PlacedStack stack;
  constexpr Index spacing = PlacedStack::spacing;
  const Wholes wholes = wholes_of(std::as_const(stack.placements).view<std::int64_t>(), stack.of_field,
                                  stack.box, stack.middle, 0.25 * 21 * spacing);
  Array out{DType::i32, stack.box, 2};
  keep_course(stack.straight, spacing, 8, out, wholes);
  const auto kept = out.view<std::int32_t>();
  const auto field = stack.straight.view<std::int32_t>();
  for (Index z = 0; z < 60; ++z)  // what matching found stays
    for (const Coord n : {Coord{z, 6, 6}, Coord{z, 6, 14}, Coord{z, 14, 10}})
      for (int c = 0; c < 2; ++c) EXPECT_NEAR(kept.at(c, n), field.at(c, n), 0.1 * field_units_per_px) << z;
  // Without placements it is a course, and given back.
  keep_course(stack.straight, spacing, 8, out);
  EXPECT_GT(std::abs(kept.at(0, {59, 6, 6}) - field.at(0, {59, 6, 6})), 4 * field_units_per_px);
}

TEST(Course, OfWholeSectionsIsWhatPlacementAndFieldShowTogether) {
  // Tissue that runs obliquely, in sections placed where they are: the placement straightens, the field finds
  // nothing more.
  const Box box = Box::from({0, 0, 0}, {60, 21, 21});
  constexpr Index spacing = 16;
  Array placements{DType::i64, coarse_align::column_of(box), coarse_align::placement_channels};
  Array straight{DType::i32, box, 2}, out{DType::i32, box, 2};
  std::fill(straight.view<std::int32_t>().channel(0).begin(), straight.view<std::int32_t>().channel(0).end(),
            0);
  const auto own = [](Index z) { return 3 * noise(z); };
  const auto tissue = [](Index z) { return 0.5 * static_cast<double>(z - 30); };
  for (Index z = 0; z < 60; ++z) {
    Placement p;
    p.x0 = own(z) + tissue(z);
    coarse_align::store_affine(placements.view<std::int64_t>(), {z, 0, 0}, p);
  }
  const Wholes wholes =
      wholes_of(std::as_const(placements).view<std::int64_t>(), std::vector<Placement>(60), box,
                {node_centre(10, spacing), node_centre(10, spacing)}, 0.25 * 21 * spacing);
  keep_course(straight, spacing, 8, out, wholes);
  const auto kept = std::as_const(out).view<std::int32_t>();
  for (Index z = 0; z < 60; ++z)  // given back: what is left is the sections' own
    EXPECT_NEAR(kept.at(1, {z, 10, 10}) / field_units_per_px, -tissue(z), 2.5) << z;
}

TEST(Course, ShortStacksAndLengthZeroStayStraight) {
  const Stack stack;
  Array out{DType::i32, stack.box, 2};
  keep_course(stack.straight, Stack::spacing, 0, out);
  EXPECT_TRUE(std::ranges::equal(out.bytes(), stack.straight.bytes()));
}

}  // namespace
}  // namespace petavox::align
