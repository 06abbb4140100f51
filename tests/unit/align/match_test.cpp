// Patches found in windows: to a fraction of a pixel, behind masks, and refused where there is nothing to
// find.

#include "stages/align/flow.hpp"

#include "unit/align/texture.hpp"

#include <gtest/gtest.h>

namespace petavox::align {
namespace {

using test::texture_at;

struct Pixels {
  std::vector<std::uint16_t> values;
  std::vector<std::uint8_t> valid;
};

/// n x n pixels whose first is at (y, x) of the texture.
Pixels pixels_of(int n, double y, double x, std::uint64_t seed = 1) {
  Pixels p;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i)
      p.values.push_back(static_cast<std::uint16_t>(texture_at(seed, y + j, x + i) + 0.5));
  p.valid.assign(p.values.size(), 1);
  return p;
}

Match match_of(Matcher& matcher, const Pixels& patch, const Pixels& window) {
  Prepared a, b;
  matcher.prepare_patch(patch.values.data(), patch.valid.data(), a);
  matcher.prepare_window(window.values.data(), window.valid.data(), b);
  return matcher.match(a, b);
}

class Matching : public ::testing::Test {
 protected:
  Matching() {
    settings.patch = 48;
    settings.radius = 12;
  }
  MatchSettings settings;
};

TEST_F(Matching, FindsFractionsOfAPixelWithAndWithoutMasks) {
  Matcher matcher{settings};
  for (const auto& [dy, dx] : {std::pair{0.0, 0.0}, {3.25, -7.5}, {-9.75, 4.5}}) {
    // The window shows at p + d what the patch shows at p.
    const Pixels patch = pixels_of(48, 0, 0);
    Pixels window = pixels_of(72, -12 - dy, -12 - dx);
    const Match full = match_of(matcher, patch, window);
    EXPECT_EQ(full.state, MatchState::good);
    EXPECT_NEAR(full.dy, dy, 0.1);
    EXPECT_NEAR(full.dx, dx, 0.1);
    EXPECT_GT(full.peak, 0.97);
    EXPECT_GT(full.ratio, 1.2);
    // A band that holds nothing, filled with what would mislead.
    for (int j = 20; j < 34; ++j)
      for (int i = 0; i < 72; ++i) {
        window.values[static_cast<std::size_t>(j * 72 + i)] =
            static_cast<std::uint16_t>(i % 2 == 0 ? 255 : 0);
        window.valid[static_cast<std::size_t>(j * 72 + i)] = 0;
      }
    const Match masked = match_of(matcher, patch, window);
    EXPECT_EQ(masked.state, MatchState::good);
    EXPECT_NEAR(masked.dy, dy, 0.1);
    EXPECT_NEAR(masked.dx, dx, 0.1);
    EXPECT_GT(masked.peak, 0.97);
  }
}

TEST_F(Matching, AFullMaskAndABoxSumGiveTheSameCorrelation) {
  Matcher matcher{settings};
  const Pixels patch = pixels_of(48, 0, 0);
  Pixels window = pixels_of(72, -10, -14);
  const Match full = match_of(matcher, patch, window);
  window.valid[0] = 0;  // a corner that the best place does not touch
  const Match masked = match_of(matcher, patch, window);
  EXPECT_NEAR(masked.peak, full.peak, 1e-4);
  EXPECT_NEAR(masked.dy, full.dy, 1e-2);
}

TEST_F(Matching, DoesNotSeeBrightnessAndContrast) {
  Matcher matcher{settings};
  const Pixels patch = pixels_of(48, 0, 0);
  Pixels window = pixels_of(72, -14, -9);
  for (std::uint16_t& v : window.values) v = static_cast<std::uint16_t>(v / 3 + 90);
  const Match match = match_of(matcher, patch, window);
  EXPECT_NEAR(match.dy, 2, 0.1);
  EXPECT_NEAR(match.dx, -3, 0.1);
  EXPECT_GT(match.peak, 0.97);
}

TEST_F(Matching, RefusesWhatCannotBeFound) {
  Matcher matcher{settings};
  const Pixels patch = pixels_of(48, 0, 0);
  Pixels black = pixels_of(72, 0, 0);
  for (std::uint16_t& v : black.values) v = 0;
  EXPECT_EQ(match_of(matcher, patch, black).state, MatchState::no_content);
  Pixels empty = pixels_of(72, -12, -12);
  for (std::uint8_t& v : empty.valid) v = 0;
  EXPECT_EQ(match_of(matcher, patch, empty).state, MatchState::no_content);
  // What lies beyond the radius is seen at its edge or not at all, never with a good peak.
  const Match far = match_of(matcher, patch, pixels_of(72, -12 - 40, -12 - 40));
  EXPECT_TRUE(far.state != MatchState::good || far.peak < 0.6);
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
  s.match.patch = 32;
  s.match.radius = 8;
  s.spacing = 16;
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

TEST(Flow, CleaningRejectsWhatDiffersFromItsNeighboursAndSaysWhy) {
  const Box box = Box::from({0, 0, 0}, {1, 5, 5});
  Array flow{DType::i16, box, flow_channels};
  const auto view = flow.view<std::int16_t>();
  box.for_each([&](Coord p) {
    view.at(0, p) = 64;  // 1 px
    view.at(2, p) = view.at(4, p) = 200;
    view.at(3, p) = 512;
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
