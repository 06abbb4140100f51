// The elastic solve: exact on what it can know, blind to outliers, across missing sections, and the same for
// any cutting into columns.

#include "stages/align/solve.hpp"

#include "petavox/base/hash.hpp"

#include "stages/align/lines.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox::align {
namespace {

TEST(Lines, SolveWhatTheyMultiply) {
  const Index sections = 9, columns = 3;
  Lines lines{sections, columns, 2};
  std::uint64_t seed = 1;
  const auto random = [&] { return static_cast<double>((seed = mix64(seed)) >> 40) / 16777216.0; };
  for (Index c = 0; c < columns; ++c)
    for (Index z = 0; z < sections; ++z) {
      lines.add_diagonal(z, c, 0.01 + random());
      if (z >= 1) lines.couple(z, 1, c, random());
      if (z >= 2) lines.couple(z, 2, c, random());
    }
  std::vector<double> v(static_cast<std::size_t>(sections * columns)), b;
  for (double& x : v) x = random() - 0.5;
  lines.multiply(v, b);
  lines.factor();
  lines.solve(b);
  for (std::size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(b[i], v[i], 1e-10);
}

/// Corrections that the flow below asks for: smooth in a section, independent from one to the next.
Vec2 truth(Index z, double y, double x) {
  const auto k = static_cast<double>(mix64(static_cast<std::uint64_t>(z)) % 17) - 8;
  return {0.3 * k + 0.02 * k * (y - 4), -0.2 * k + 0.015 * k * (x - 4)};
}

class Solve : public ::testing::Test {
 protected:
  Solve() {
    settings.spacing = 16;
    settings.coarsening = 2;
    settings.stiffness = 1e-4;
    settings.anchor = 1e-5;
    settings.continuity = 1e-6;
    settings.max_shift_px = 24;
  }
  /// What matching sees: |v(z - d) - v(z)| of the truth, the fields being so slow that lookups hardly matter.
  Array matches() const {
    Array clean{DType::i16, lattice, clean_channels * 2};
    const auto view = clean.view<std::int16_t>();
    lattice.for_each([&](Coord p) {
      for (int k = 0; k < 2; ++k) {
        if (p.z <= k) continue;
        // f at the corrected place: x + v(z, x) shows section z's content of x.
        Vec2 at{static_cast<double>(p.y), static_cast<double>(p.x)};
        for (int i = 0; i < 20; ++i) {
          const Vec2 v = truth(p.z, at.y, at.x);
          at = {static_cast<double>(p.y) - v.y / 16, static_cast<double>(p.x) - v.x / 16};
        }
        const Vec2 f = truth(p.z - k - 1, at.y, at.x) - truth(p.z, at.y, at.x);
        view.at(k * clean_channels, p) = static_cast<std::int16_t>(std::floor(f.y * 64 + 0.5));
        view.at(k * clean_channels + 1, p) = static_cast<std::int16_t>(std::floor(f.x * 64 + 0.5));
        view.at(k * clean_channels + 2, p) = 900;
      }
    });
    return clean;
  }
  Array solved(const Array& clean, Index columns = 64) const {
    Array coarse{DType::i32, coarsened(lattice, {1, 2, 2}), 2}, out{DType::i32, lattice, 2};
    solve_coarse(clean, settings, {}, coarse);
    for (Index y = lattice.begin.y; y < lattice.end.y; y += columns)
      for (Index x = lattice.begin.x; x < lattice.end.x; x += columns) {
        const Box core =
            Box{{lattice.begin.z, y, x}, {lattice.end.z, y + columns, x + columns}}.intersect(lattice);
        Array piece{DType::i32, core, lattice, 2}, left{DType::i16, core, lattice};
        const Index reach = flow_reach(settings);
        const Box held = core.grow(Halo::symmetric({0, reach, reach})).intersect(lattice);
        Array near{DType::i16, held, lattice, clean_channels * 2};
        copy_box(clean, near, held);
        const Index few = field_reach + ceil_div(settings.sweeps, settings.coarsening);
        const Box around =
            coarsened(core, {1, 2, 2}).grow(Halo::symmetric({0, few, few})).intersect(coarse.box());
        Array some{DType::i32, around, coarse.box(), 2};
        copy_box(coarse, some, around);
        solve_fine(near, some, settings, {}, piece, left);
        copy_box(piece, out, core);
      }
    return out;
  }
  /// Largest error of the difference between neighbouring sections, away from the lattice's faces.
  double error_of(const Array& found, const std::vector<Index>& without = {}) const {
    const auto view = found.view<std::int32_t>();
    double worst = 0;
    const auto bad = [&](Index z) { return std::ranges::find(without, z) != without.end(); };
    for (Index z = lattice.begin.z + 1; z < lattice.end.z; ++z) {
      Index back = z - 1;
      while (bad(back) && back > lattice.begin.z) --back;
      if (bad(z) || bad(back)) continue;
      for (Index y = lattice.begin.y + 2; y < lattice.end.y - 2; ++y)
        for (Index x = lattice.begin.x + 2; x < lattice.end.x - 2; ++x) {
          const auto at = [&](Index s) {
            return Vec2{view.at(0, {s, y, x}) / field_units_per_px,
                        view.at(1, {s, y, x}) / field_units_per_px};
          };
          const Vec2 e = at(z) - at(back) -
                         (truth(z, static_cast<double>(y), static_cast<double>(x)) -
                          truth(back, static_cast<double>(y), static_cast<double>(x)));
          worst = std::max(worst, std::sqrt(e.y * e.y + e.x * e.x));
        }
    }
    return worst;
  }
  Box lattice = Box::from({0, 0, 0}, {14, 10, 9});
  SolveSettings settings;
};

TEST_F(Solve, FindsWhatTheMatchesSay) { EXPECT_LT(error_of(solved(matches())), 0.15); }

TEST_F(Solve, DoesNotDependOnTheColumnsThatAreSolvedTogether) {
  const Array clean = matches();
  const Array whole = solved(clean);
  for (const Index columns : {1, 3, 4}) {
    const Array pieces = solved(clean, columns);
    EXPECT_TRUE(std::ranges::equal(whole.bytes(), pieces.bytes())) << columns;
  }
}

TEST_F(Solve, OutliersHaveLittleWeight) {
  // Those that cleaning let through: one match in twelve is wrong by 15 pixels.
  Array clean = matches();
  const auto view = clean.view<std::int16_t>();
  lattice.for_each([&](Coord p) {
    if (mix64(static_cast<std::uint64_t>(lattice.raster(p)) + 77) % 12 == 0) view.at(0, p) = 64 * 15;
  });
  // However few the steps are: the last ones are those that count.
  for (const auto& [lookups, sweeps] : {std::pair{8, 8}, {4, 1}}) {
    settings.lookups = lookups;
    settings.sweeps = sweeps;
    EXPECT_LT(error_of(solved(clean)), 1.5) << lookups << " and " << sweeps << " steps";
  }
}

TEST_F(Solve, FewMatchesHoldTwoHalvesTogether) {
  // Between sections 6 and 7 one node in four has a match. All others want sections to shear, more with each
  // section, which strain resists: each half of the stack would do so round its own middle.
  settings.stiffness = 0.01;
  Array clean{DType::i16, lattice, clean_channels * 2};
  const auto view = clean.view<std::int16_t>();
  lattice.for_each([&](Coord p) {
    for (int k = 0; k < 2; ++k) {
      const bool between = p.z > 6 && p.z - k - 1 <= 6;
      if (p.z <= k || (between && (k > 0 || (p.y + p.x) % 4 != 0))) continue;
      view.at(k * clean_channels, p) = static_cast<std::int16_t>(64 * 2 * (k + 1) * (p.x - 4));
      view.at(k * clean_channels + 2, p) = between ? std::int16_t{200} : std::int16_t{900};
    }
  });
  const Array found = solved(clean);
  const auto v = found.view<std::int32_t>();
  double worst = 0;
  for (Index y = 2; y < 8; ++y)
    for (Index x = 2; x < 7; ++x)
      worst = std::max(worst, std::abs((v.at(0, {6, y, x}) - v.at(0, {7, y, x})) / field_units_per_px -
                                       2.0 * static_cast<double>(x - 4)));
  EXPECT_LT(worst, 10);  // within reach of the next pass
}

TEST_F(Solve, GoesOnAcrossAMissingSection) {
  Array clean = matches();
  const auto view = clean.view<std::int16_t>();
  lattice.for_each([&](Coord p) {
    for (int k = 0; k < 2; ++k)
      if (p.z == 6 || p.z - k - 1 == 6) view.at(k * clean_channels + 2, p) = 0;
  });
  EXPECT_LT(error_of(solved(clean), {6}), 0.2);
}

TEST_F(Solve, AConstantFlowBendsOnlyTheEnds) {
  // Oblique content pulls every section the same way; the anchor holds the middle of the stack.
  settings.anchor = 1;
  Array clean{DType::i16, lattice, clean_channels * 2};
  const auto view = clean.view<std::int16_t>();
  lattice.for_each([&](Coord p) {
    for (int k = 0; k < 2 && p.z > k; ++k) {
      view.at(k * clean_channels, p) = static_cast<std::int16_t>(64 * (k + 1));
      view.at(k * clean_channels + 2, p) = 1024;
    }
  });
  const Array found = solved(clean);
  const auto out = found.view<std::int32_t>();
  const auto shift = [&](Index z) { return out.at(0, {z, 5, 4}) / field_units_per_px; };
  EXPECT_LT(std::abs(shift(6) - shift(7)), 0.2);
  EXPECT_GT(std::abs(shift(0) - shift(1)), 0.25);
}

TEST_F(Solve, FollowsEarlierPasses) {
  // The matches are met already: earlier passes are neither undone nor doubled.
  settings.anchor = 1e-6;
  const Array clean = matches();
  const Array first = solved(clean);
  Array field = first.clone();
  compose({nullptr, 1, 2}, 16, field);
  const Before before{&field, 32, 2};
  EXPECT_NEAR(before.at(3, {node_centre(5, 16), node_centre(4, 16)}).y,
              first.view<std::int32_t>().at(0, {3, 5, 4}) / field_units_per_px, 2e-3);
  Array nothing{DType::i16, lattice, clean_channels * 2};
  Array coarse{DType::i32, coarsened(lattice, {1, 2, 2}), 2};
  SolveSettings free = settings;
  free.stiffness = 1e-9;
  solve_coarse(nothing, free, {}, coarse);
  for (const std::byte b : coarse.bytes()) EXPECT_EQ(b, std::byte{0});
}

}  // namespace
}  // namespace petavox::align
