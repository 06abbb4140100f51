// Displacement lattices: what lies between nodes, beyond the domain, and that rows agree with points.

#include "stages/align/field.hpp"

#include "petavox/volume/array.hpp"

#include "stages/align/placement.hpp"

#include <gtest/gtest.h>

namespace petavox::align {
namespace {

Array field_of(const Box& box, Vec2 (*value)(double y, double x), Index spacing) {
  Array field{DType::i32, box, 2};
  const auto view = field.view<std::int32_t>();
  box.for_each([&](Coord p) {
    const Vec2 v = value(node_centre(p.y, spacing), node_centre(p.x, spacing));
    view.at(0, p) = to_units(v.y);
    view.at(1, p) = to_units(v.x);
  });
  return field;
}

Vec2 affine(double y, double x) { return {0.25 * y - 0.125 * x + 3, 0.5 * x + 0.0625 * y - 7}; }
Vec2 quadratic(double y, double x) { return {0.001 * y * x, 0.002 * x * x - 0.001 * y * y}; }

TEST(Field, ReproducesAffineFieldsUpToOneNodeBeyondTheDomain) {
  const Array field = field_of(Box::from({2, -3, 4}, {1, 6, 5}), affine, 8);
  const FieldSection section{field.view<std::int32_t>(), 2, 8};
  for (double y = node_centre(-3, 8) - 8; y <= node_centre(2, 8) + 8; y += 3.7)
    for (double x = node_centre(4, 8); x <= node_centre(8, 8); x += 2.9) {
      EXPECT_NEAR(section.at({y, x}).y, affine(y, x).y, 2e-3) << y << " " << x;
      EXPECT_NEAR(section.at({y, x}).x, affine(y, x).x, 2e-3) << y << " " << x;
    }
}

TEST(Field, ReproducesQuadraticFieldsInside) {
  const Array field = field_of(Box::from({0, 0, 0}, {1, 12, 12}), quadratic, 16);
  const FieldSection section{field.view<std::int32_t>(), 0, 16};
  for (double y = 30; y < 150; y += 7.3)
    for (double x = 30; x < 150; x += 5.1)
      EXPECT_NEAR(section.at({y, x}).x, quadratic(y, x).x, 3e-3) << y << " " << x;
}

TEST(Field, IsConstantFarBeyondTheDomain) {
  const Array field = field_of(Box::from({0, 0, 0}, {1, 4, 4}), affine, 8);
  const FieldSection section{field.view<std::int32_t>(), 0, 8};
  EXPECT_EQ(section.at({-200, 12}).y, section.at({-300, 12}).y);
}

TEST(Field, RowsAgreeWithPoints) {
  const Array field = field_of(Box::from({0, 0, 0}, {1, 5, 9}), quadratic, 8);
  const FieldSection section{field.view<std::int32_t>(), 0, 8};
  std::vector<double> ys(17), xs(17);
  FieldRows{section, 8, -4, 4, ys.size()}.read(21.5, ys.data(), xs.data());
  for (std::size_t i = 0; i < ys.size(); ++i) {
    const Vec2 point = section.at({21.5, -4 + 4.0 * static_cast<double>(i)});
    EXPECT_NEAR(ys[i], point.y, 1e-9);
    EXPECT_NEAR(xs[i], point.x, 1e-9);
  }
}

TEST(Placement, InverseAndCompositionAreThoseOfTheMaps) {
  const Placement a{0.9, -0.3, 12, 0.31, 1.1, -40}, b{1.05, 0.2, -7, -0.1, 0.95, 3};
  const Vec2 p{123.25, -77.5};
  const Vec2 back = source_of(a.inverse(), source_of(a, p)), both = source_of(a.after(b), p),
             twice = source_of(a, source_of(b, p));
  EXPECT_NEAR(back.y, p.y, 1e-9);
  EXPECT_NEAR(back.x, p.x, 1e-9);
  EXPECT_NEAR(both.y, twice.y, 1e-9);
  EXPECT_NEAR(both.x, twice.x, 1e-9);
}

TEST(Placement, IsKeptInAColumn) {
  Array column{DType::i64, coarse_align::column_of(Box::from({3, 5, 5}, {4, 10, 10})),
               coarse_align::placement_channels};
  const Placement a{0.9, -0.3, 123456.75, 0.31, 1.1, -40};
  coarse_align::store_affine(column.view<std::int64_t>(), {5, 0, 0}, a);
  const Placement found = coarse_align::load_affine(std::as_const(column).view<std::int64_t>(), {5, 0, 0});
  EXPECT_NEAR(found.yx, a.yx, 1e-9);
  EXPECT_EQ(found.y0, a.y0);
}

}  // namespace
}  // namespace petavox::align
