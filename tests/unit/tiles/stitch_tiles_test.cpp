#include "petavox/base/hash.hpp"

#include "stages/tiles/positions.hpp"
#include "stages/tiles/quality.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox::tiles {
namespace {

/// A number in [0, 1) of a place.
double noise(Index y, Index x) {
  return static_cast<double>(mix64(static_cast<std::uint64_t>(y * 4099 + x)) >> 11) * 0x1p-53;
}

/// Smooth texture: a plane of noise, blurred.
Plane texture(Index height, Index width, Index y0, Index x0, double sigma) {
  Plane plane{height, width};
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) plane.at(y, x) = static_cast<float>(255 * noise(y0 + y, x0 + x));
  return coarse_align::smoothed(plane, sigma);
}

Plane ones(const Plane& like) {
  Plane plane{like.height, like.width};
  std::ranges::fill(plane.values, 1.0F);
  return plane;
}

TEST(Correlate, FindsAShiftOfTheWhole) {
  // Away from the blur at the rims the second shows what lies 9 down and 14 left in the first.
  const Plane a = texture(60, 80, 0, 0, 1.5), b = texture(50, 90, 9, -14, 1.5);
  const auto shift = best_shift(a, ones(a), b, ones(b), {0, 0, 0}, {0, 30, 30}, 0.2);
  ASSERT_TRUE(shift);
  EXPECT_EQ(shift->dy, -9);
  EXPECT_EQ(shift->dx, 14);
  EXPECT_GT(shift->correlation, 0.9);
  EXPECT_LT(shift->second, 0.6);
}

TEST(Correlate, SeesContentOnly) {
  // A black margin in both, at the same place, must not pull the shift to zero.
  Plane a = texture(64, 64, 0, 0, 1.5), b = texture(64, 64, 6, 5, 1.5);
  Plane inside = ones(a);
  for (Index y = 0; y < 64; ++y)
    for (Index x = 0; x < 64; ++x)
      if (y < 12 || x > 50) a.at(y, x) = b.at(y, x) = inside.at(y, x) = 0;
  const auto shift = best_shift(a, inside, b, inside, {0, 0, 0}, {0, 20, 20}, 0.2);
  ASSERT_TRUE(shift);
  EXPECT_EQ(shift->dy, -6);
  EXPECT_EQ(shift->dx, -5);
}

TEST(Correlate, NothingWithoutContent) {
  const Plane a = texture(32, 32, 0, 0, 1);
  const Plane nothing{32, 32};
  EXPECT_FALSE(best_shift(a, ones(a), nothing, nothing, {0, 0, 0}, {0, 8, 8}, 0.2));
  EXPECT_FALSE(best_shift(nothing, ones(a), nothing, ones(a), {0, 0, 0}, {0, 8, 8}, 0.2));
}

/// A grid of tiles with true places, and the links between neighbours.
struct Field {
  std::vector<SolvedTile> tiles;
  std::vector<std::pair<double, double>> truth;
  std::vector<Link> links;

  explicit Field(Index rows, Index columns) {
    for (Index j = 0; j < rows; ++j)
      for (Index i = 0; i < columns; ++i) {
        SolvedTile tile;
        tile.state = TileState::good;
        tile.height = tile.width = 100;
        tile.nominal_y = 90.0 * static_cast<double>(j);
        tile.nominal_x = 90.0 * static_cast<double>(i);
        truth.emplace_back(tile.nominal_y + 8 * (noise(j, i) - 0.5),
                           tile.nominal_x + 8 * (noise(i + 50, j) - 0.5));
        tiles.push_back(tile);
      }
    for (Index j = 0; j < rows; ++j)
      for (Index i = 0; i < columns; ++i) {
        if (i + 1 < columns) join(j * columns + i, j * columns + i + 1);
        if (j + 1 < rows) join(j * columns + i, (j + 1) * columns + i);
      }
  }
  void join(Index a, Index b) {
    Link link;
    link.first = a;
    link.second = b;
    link.offset.state = PairState::linked;
    link.offset.dy = truth[static_cast<std::size_t>(b)].first - truth[static_cast<std::size_t>(a)].first;
    link.offset.dx = truth[static_cast<std::size_t>(b)].second - truth[static_cast<std::size_t>(a)].second;
    link.offset.correlation = 0.8;
    const bool beside = link.offset.dx > link.offset.dy;
    for (const double along : {10.0, 50.0, 90.0})
      link.offset.patches.push_back(
          {beside ? along : 95, beside ? 95 : along, link.offset.dy, link.offset.dx, 0.8});
    links.push_back(link);
  }
  /// Largest error of a place, but for one shift of all.
  double error() const {
    double y = 0, x = 0, worst = 0;
    const auto n = static_cast<double>(tiles.size());
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      y += (tiles[i].y - truth[i].first) / n;
      x += (tiles[i].x - truth[i].second) / n;
    }
    for (std::size_t i = 0; i < tiles.size(); ++i)
      worst = std::max(worst, std::hypot(tiles[i].y - truth[i].first - y, tiles[i].x - truth[i].second - x));
    return worst;
  }
};

TEST(Positions, AreExactForLinksThatAgree) {
  Field field{4, 5};
  solve_places(field.tiles, field.links);
  EXPECT_LT(field.error(), 1e-3);
  EXPECT_EQ(field.tiles[0].links, 2);
}

TEST(Positions, OutliersFade) {
  Field field{5, 5};
  field.links[3].offset.dy += 40;
  field.links[17].offset.dx -= 25;
  solve_places(field.tiles, field.links);
  EXPECT_LT(field.error(), 0.05);
  const std::vector<SolvedTile> once = field.tiles;
  solve_places(field.tiles, field.links);
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(once[i].y, field.tiles[i].y);
}

TEST(Positions, WhatNothingTiesDownStaysWhereItWas) {
  Field field{2, 2};
  field.links.clear();
  solve_places(field.tiles, field.links);
  for (const SolvedTile& tile : field.tiles) {
    EXPECT_NEAR(tile.y, tile.nominal_y, 1e-6);
    EXPECT_NEAR(tile.x, tile.nominal_x, 1e-6);
    EXPECT_EQ(tile.links, 0);
  }
}

TEST(Bends, BringPatchesTogether) {
  // The second tile is stretched: patches along the overlap ask for more, the further down they are.
  Field field{1, 2};
  for (Patch& p : field.links[0].offset.patches) p.dy += (p.y - 50) * 0.04;
  solve_places(field.tiles, field.links);
  solve_bends(field.tiles, field.links, 1);
  for (const Patch& p : field.links[0].offset.patches) {
    const auto bend = [&](std::size_t t, double y, double x) {
      const NodeWeights n = node_weights(y, x, 100, 100);
      double sum = 0;
      for (std::size_t k = 0; k < 4; ++k) sum += n.weight[k] * field.tiles[t].bend_y[n.node[k]];
      return sum;
    };
    const double apart =
        field.tiles[0].y + bend(0, p.y, p.x) + p.dy - field.tiles[1].y - bend(1, p.y - p.dy, p.x - p.dx);
    EXPECT_LT(std::abs(apart), 0.5);
  }
}

TEST(Gains, MakeOverlapsEqual) {
  Field field{2, 3};
  std::vector<double> light;
  for (Index i = 0; i < 6; ++i) light.push_back(0.8 + 0.4 * noise(i, 7));
  for (Link& link : field.links) {
    link.offset.mean_own = 120 * light[static_cast<std::size_t>(link.first)];
    link.offset.mean_other = 120 * light[static_cast<std::size_t>(link.second)];
  }
  solve_gains(field.tiles, field.links);
  for (const Link& link : field.links)
    EXPECT_NEAR(field.tiles[static_cast<std::size_t>(link.first)].gain * link.offset.mean_own,
                field.tiles[static_cast<std::size_t>(link.second)].gain * link.offset.mean_other, 3);
}

Quality quality(const Plane& plane) {
  return quality_of(plane.height, plane.width, [&](Index y0, Index y1) {
    Array band{DType::u8, Box{{0, y0, 0}, {1, y1, plane.width}}};
    const auto view = band.view<std::uint8_t>();
    band.box().for_each([&](Coord p) { view[p] = static_cast<std::uint8_t>(plane.at(p.y, p.x)); });
    return band;
  });
}

TEST(QualityGate, TellsTilesApart) {
  const Plane sharp = texture(64, 64, 0, 0, 0.7), blurred = texture(64, 64, 0, 0, 3);
  const Quality a = quality(sharp), b = quality(blurred);
  EXPECT_EQ(judged(a, 4, 0.3), TileState::good);
  EXPECT_GT(a.focus, 4 * b.focus);
  EXPECT_NE(a.hash, b.hash);
  EXPECT_EQ(judged(quality(Plane{64, 64}), 4, 0.3), TileState::blank);
  Plane grey = ones(sharp);
  for (float& v : grey.values) v = 100;
  EXPECT_EQ(judged(quality(grey), 4, 0.3), TileState::blank);
  grey.at(5, 5) = 140;
  EXPECT_EQ(judged(quality(grey), 4, 0.3), TileState::low_contrast);
  Plane white = sharp;
  for (Index y = 0; y < 40; ++y)
    for (Index x = 0; x < 64; ++x) white.at(y, x) = 255;
  EXPECT_EQ(judged(quality(white), 4, 0.3), TileState::saturated);
}

}  // namespace
}  // namespace petavox::tiles
