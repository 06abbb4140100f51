// Patches found in other sections: to a fraction of a pixel, behind masks, and refused where there is nothing
// to find.

#include "stages/align/flow.hpp"

#include "unit/align/texture.hpp"
#include "unit/kernels/every_path.hpp"

#include <gtest/gtest.h>

namespace petavox::align {
namespace {

using test::texture_at;

/// Two sections of 72 x 72 pixels round the cell of node (0, 0): the later one is the texture, the earlier
/// one shows it at p + d.
class Matching : public ::testing::Test {
 protected:
  Matching() {
    settings.match = {.spacing = 16, .rings = 1, .radius = 12};
    settings.links = {1};
  }
  template <class T = std::uint8_t>
  Array sections(double dy, double dx, double scale = 1) const {
    const Index reach = settings.match.reach();
    Array placed{dtype_of<T>(), Box{Coord{0, -reach, -reach}, Coord{2, 16 + reach, 16 + reach}}, 2};
    const auto view = placed.view<T>();
    placed.box().for_each([&](Coord p) {
      const double y = static_cast<double>(p.y), x = static_cast<double>(p.x);
      view.at(0, p) =
          static_cast<T>(scale * (p.z == 1 ? texture_at(1, y, x) : texture_at(1, y - dy, x - dx)) + 0.5);
      view.at(1, p) = 255;
    });
    return placed;
  }
  Match match_of(const Array& placed) const {
    const Match match = match_by<double>(placed);
    if (!sums_fit(settings.match, placed.dtype())) return match;
    // Sums of either kind are exact, so nothing depends on which is used.
    const Match narrow = match_by<std::int32_t>(placed);
    EXPECT_TRUE(narrow == match) << narrow.peak << " and " << match.peak;
    return narrow;
  }
  template <class Sum>
  Match match_by(const Array& placed) const {
    const Box node = Box::from({0, 0, 0}, {1, 1, 1});
    BlockMatcher<Sum> matcher{settings.match, node};
    SectionTile<Sum> patches{placed, 1, matcher.region()}, windows{placed, 0, matcher.region()};
    return matcher.match(patches, windows).front();
  }
  FlowSettings settings;
};

TEST_F(Matching, FindsFractionsOfAPixelWithAndWithoutMasks) {
  for (const auto& [dy, dx] : {std::pair{0.0, 0.0}, {3.25, -7.5}, {-9.75, 4.5}}) {
    Array placed = sections(dy, dx);
    const Match full = match_of(placed);
    EXPECT_EQ(full.state, MatchState::good);
    EXPECT_NEAR(full.dy, dy, 0.1);
    EXPECT_NEAR(full.dx, dx, 0.1);
    EXPECT_GT(full.peak, 0.97);
    EXPECT_GT(full.ratio, 1.2);
    // A band that holds nothing, filled with what would mislead.
    const auto view = placed.view<std::uint8_t>();
    for (Index j = -8; j < 6; ++j)
      for (Index i = -28; i < 44; ++i) {
        view.at(0, {0, j, i}) = static_cast<std::uint8_t>(i % 2 == 0 ? 255 : 0);
        view.at(1, {0, j, i}) = 0;
      }
    const Match masked = match_of(placed);
    EXPECT_EQ(masked.state, MatchState::good);
    EXPECT_NEAR(masked.dy, dy, 0.1);
    EXPECT_NEAR(masked.dx, dx, 0.1);
    EXPECT_GT(masked.peak, 0.97);
  }
}

TEST_F(Matching, DoesNotSeeBrightnessAndContrast) {
  Array placed = sections(2, -3);
  const auto view = placed.view<std::uint8_t>();
  placed.box().for_each([&](Coord p) {
    if (p.z == 0) view.at(0, p) = static_cast<std::uint8_t>(view.at(0, p) / 3 + 90);
  });
  const Match match = match_of(placed);
  EXPECT_NEAR(match.dy, 2, 0.1);
  EXPECT_NEAR(match.dx, -3, 0.1);
  EXPECT_GT(match.peak, 0.97);
}

TEST_F(Matching, RefusesWhatCannotBeFound) {
  Array black = sections(0, 0), empty = sections(0, 0), few = sections(0, 0);
  black.box().for_each([&](Coord p) {
    if (p.z == 0) black.view<std::uint8_t>().at(0, p) = 0;
    if (p.z == 0) empty.view<std::uint8_t>().at(1, p) = 0;
    if (p.z == 1 && p.y > 0) few.view<std::uint8_t>().at(1, p) = 0;
  });
  EXPECT_EQ(match_of(black).state, MatchState::no_content);
  EXPECT_EQ(match_of(empty).state, MatchState::no_content);
  settings.match.min_valid = 0.4;  // a third of the patch is left
  EXPECT_EQ(match_of(few).state, MatchState::no_content);
  // What lies beyond the radius is seen at its edge or not at all, never with a good peak.
  const Match far = match_of(sections(40, 40));
  EXPECT_TRUE(far.state != MatchState::good || far.peak < 0.6);
}

/// Pearson's correlation over the pixels valid in both, and their number; by its definition.
std::pair<double, int> correlation_at(const Array& placed, const MatchSettings& s, Index dy, Index dx) {
  double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  const auto value = [&](int c, Coord p) {
    return placed.dtype() == DType::u8 ? static_cast<double>(placed.view<std::uint8_t>().at(c, p))
                                       : static_cast<double>(placed.view<std::uint16_t>().at(c, p));
  };
  const Index begin = -s.rings * s.spacing, end = begin + s.patch();
  for (Index y = begin; y < end; ++y)
    for (Index x = begin; x < end; ++x) {
      const Coord p{1, y, x}, q{0, y + dy, x + dx};
      if (value(1, p) == 0 || value(1, q) == 0) continue;
      const double u = value(0, p), v = value(0, q);
      n += 1, a += u, b += v, aa += u * u, bb += v * v, ab += u * v;
    }
  return {(ab - a * b / n) / std::sqrt((aa - a * a / n) * (bb - b * b / n)), static_cast<int>(n)};
}

TEST_F(Matching, TheScoresAreThoseOfTheDefinition) {
  for (const bool wide : {false, true})
    for (const int spacing : {16, 13})
      for (const int holes : {0, 1, 2, 3}) {  // in none, the earlier, the later, both
        settings.match.spacing = spacing;
        Array placed = wide ? sections<std::uint16_t>(3.25, -7.5, 250) : sections<std::uint8_t>(3.25, -7.5);
        placed.box().for_each([&](Coord p) {
          const bool hole = mix64(static_cast<std::uint64_t>(p.y / 5 * 100 + p.x / 7 + 9 * p.z)) % 3 == 0;
          if (!hole || (holes & (p.z == 0 ? 1 : 2)) == 0) return;
          if (wide)
            placed.view<std::uint16_t>().at(1, p) = 0;
          else
            placed.view<std::uint8_t>().at(1, p) = 0;
        });
        const Match match = match_of(placed);
        const auto y = static_cast<Index>(std::floor(match.dy + 0.5)),
                   x = static_cast<Index>(std::floor(match.dx + 0.5));
        EXPECT_NEAR(match.peak, correlation_at(placed, settings.match, y, x).first, 1e-9)
            << wide << spacing << holes;
        for (Index j = -12; j <= 12; j += 2)
          for (Index i = -12; i <= 12; i += 2) {
            const auto [c, n] = correlation_at(placed, settings.match, j, i);
            const int area = settings.match.patch() * settings.match.patch();
            EXPECT_LE(n >= settings.match.min_valid * area ? c : -1, match.peak + 1e-9);
          }
      }
}

TEST_F(Matching, EveryVectorPathGivesTheSameBits) {
  settings.match.radius = 9;
  Array placed = sections(1.25, -2.5);
  const auto view = placed.view<std::uint8_t>();
  placed.box().for_each([&](Coord p) {
    if (mix64(static_cast<std::uint64_t>(p.y / 5 * 100 + p.x / 7)) % 5 == 0) view.at(1, p) = 0;
  });
  const Match first = match_of(placed);
  testing::on_every_path([&](const std::string& path) {
    const Match match = match_of(placed);
    EXPECT_EQ(match.dy, first.dy) << path;
    EXPECT_EQ(match.dx, first.dx) << path;
    EXPECT_EQ(match.peak, first.peak) << path;
    EXPECT_EQ(match.ratio, first.ratio) << path;
    EXPECT_EQ(match.sharpness, first.sharpness) << path;
  });
}

/// Two channels of placed sections: the texture shifted by z * step, all valid.
Array placed_of(const Box& box, double step) {
  Array placed{DType::u8, box, 2};
  const auto view = placed.view<std::uint8_t>();
  box.for_each([&](Coord p) {
    view.at(0, p) = static_cast<std::uint8_t>(
        texture_at(7, static_cast<double>(p.y) + step * static_cast<double>(p.z), static_cast<double>(p.x)) +
        0.5);
    view.at(1, p) = 255;
  });
  return placed;
}

TEST(Flow, LinksEverySectionToThoseBeforeIt) {
  FlowSettings s;
  s.match = {.spacing = 16, .rings = 1, .radius = 8};
  const Array placed = placed_of(Box::from({4, -16, 0}, {4, 96, 96}), 1.5);
  Array flow{DType::i16, coarsened(placed.box(), {1, 16, 16}), flow_channels * 2};
  flow_of(placed, s, flow);
  const auto view = std::as_const(flow).view<std::int16_t>();
  flow.box().for_each([&](Coord p) {
    for (int k = 0; k < 2; ++k) {
      const auto state = static_cast<MatchState>(view.at(k * flow_channels + 5, p));
      if (p.z - 4 <= k) {
        EXPECT_EQ(state, MatchState::no_content);
        continue;
      }
      EXPECT_EQ(state, MatchState::good) << to_string(p);
      // Section z shows at y what section z - d shows at y + 1.5 d.
      EXPECT_NEAR(view.at(k * flow_channels, p) / flow_units_per_px, 1.5 * (k + 1), 0.15) << to_string(p);
      EXPECT_NEAR(view.at(k * flow_channels + 1, p) / flow_units_per_px, 0, 0.15) << to_string(p);
    }
  });
}

TEST(Flow, DoesNotDependOnTheNodesThatAreMatchedTogether) {
  FlowSettings s;
  s.match = {.spacing = 8, .rings = 2, .radius = 6};
  Array placed = placed_of(Box::from({4, -16, 0}, {6, 90, 100}), 1.5);
  // A section with holes, and after it whole ones, which take over its memory.
  placed.box().for_each([&](Coord p) {
    if (p.z == 5 && p.y > 30 && p.x % 40 < 9) placed.view<std::uint8_t>().at(1, p) = 0;
  });
  const Box lattice = coarsened(placed.box(), {1, 8, 8});
  Array whole{DType::i16, lattice, flow_channels * 2};
  flow_of(placed, s, whole);
  for (const Extent piece : {Extent{1, 3, 4}, {3, 12, 1}})
    for (Index z = 4; z < 10; z += piece.z)
      for (Index y = lattice.begin.y; y < lattice.end.y; y += piece.y)
        for (Index x = lattice.begin.x; x < lattice.end.x; x += piece.x) {
          const Box core = Box::from({z, y, x}, piece).intersect(lattice);
          Array part{DType::i16, core, lattice, flow_channels * 2}, expected = part.clone();
          flow_of(placed, s, part);
          copy_box(whole, expected, core);
          ASSERT_TRUE(std::ranges::equal(part.bytes(), expected.bytes())) << to_string(core);
        }
}

TEST(Flow, CleaningRejectsWhatDiffersFromItsNeighboursAndSaysWhy) {
  const Box box = Box::from({0, 0, 0}, {1, 5, 5});
  Array flow{DType::i16, box, flow_channels};
  const auto view = flow.view<std::int16_t>();
  box.for_each([&](Coord p) {
    view.at(0, p) = 64;  // 1 px
    view.at(2, p) = view.at(4, p) = 200;
    view.at(3, p) = 512;
    view.at(6, p) = 256;
  });
  view.at(1, {0, 2, 2}) = 64 * 9;                                          // deviant
  view.at(3, {0, 0, 4}) = 257;                                             // ambiguous
  view.at(4, {0, 4, 0}) = 0;                                               // flat
  view.at(5, {0, 4, 4}) = static_cast<std::int16_t>(MatchState::at_edge);  // as it was
  Array clean{DType::i16, box, clean_channels};
  clean_flow(flow, {}, 1, clean);
  const auto out = std::as_const(clean).view<std::int16_t>();
  const auto state = [&](Coord p) { return static_cast<MatchState>(out.at(3, p)); };
  EXPECT_EQ(state({0, 2, 2}), MatchState::deviant);
  EXPECT_EQ(state({0, 0, 4}), MatchState::ambiguous);
  EXPECT_EQ(state({0, 4, 0}), MatchState::flat);
  EXPECT_EQ(state({0, 4, 4}), MatchState::at_edge);
  EXPECT_EQ(out.at(2, {0, 2, 2}), 0);
  EXPECT_EQ(state({0, 1, 2}), MatchState::good);
  EXPECT_EQ(out.at(0, {0, 1, 2}), 64);
  EXPECT_GT(out.at(2, {0, 1, 2}), 700);
}

}  // namespace
}  // namespace petavox::align
