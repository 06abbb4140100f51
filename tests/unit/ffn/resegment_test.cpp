#include "stages/ffn/resegment.hpp"

#include "petavox/base/hash.hpp"

#include "unit/ffn/flood.hpp"

#include <cmath>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

namespace petavox::ffn {
namespace resegment_cases {

Array ids_of(const Box& box, FunctionRef<std::uint32_t(Coord)> id) {
  Array ids{DType::u32, box};
  box.for_each([&](Coord p) { ids.view<std::uint32_t>()[p] = id(p); });
  return ids;
}

Index squared(Coord a, Coord b) {
  return (a.z - b.z) * (a.z - b.z) + (a.y - b.y) * (a.y - b.y) + (a.x - b.x) * (a.x - b.x);
}

/// As the definition has it, one pair and one voxel after the other.
std::vector<DecisionPoint> defined(const Array& ids, const Box& core, Index reach, std::uint32_t most) {
  const auto id = ids.view<std::uint32_t>();
  std::vector<DecisionPoint> points;
  for (std::uint32_t a = 1; a <= most; ++a)
    for (std::uint32_t b = a + 1; b <= most; ++b) {
      std::map<Coord, std::pair<Index, Index>> distances;
      core.for_each([&](Coord v) {
        Index nearest[2] = {reach * reach + 1, reach * reach + 1};
        ids.box().for_each([&](Coord p) {
          if (id[p] == a) nearest[0] = std::min(nearest[0], squared(v, p));
          if (id[p] == b) nearest[1] = std::min(nearest[1], squared(v, p));
        });
        if (std::max(nearest[0], nearest[1]) <= reach * reach)
          distances[v] = {std::max(nearest[0], nearest[1]), nearest[0] + nearest[1]};
      });
      if (distances.empty()) continue;
      auto least = distances.begin()->second;
      for (const auto& [v, d] : distances) least = std::min(least, d);
      double middle[3] = {}, count = 0;
      for (const auto& [v, d] : distances)
        if (d == least) {
          for (int axis = 0; axis < 3; ++axis) middle[axis] += static_cast<double>(v[axis]);
          ++count;
        }
      std::optional<std::pair<double, Coord>> best;
      core.for_each([&](Coord v) {
        const auto found = distances.find(v);
        if (found == distances.end() || found->second != least) return;
        double from_middle = 0;
        for (int axis = 0; axis < 3; ++axis)
          from_middle += std::pow(static_cast<double>(v[axis]) * count - middle[axis], 2);
        if (!best || from_middle < best->first) best = {from_middle, v};
      });
      points.push_back({a, b, best->second});
    }
  return points;
}

TEST(FfnDecisionPoints, EqualTheDefinition) {
  std::size_t found = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const Box box = Box::from({-2, 3, 1}, {8, 9, 10});
    // Lumps of a few voxels with background between them.
    const Array ids = ids_of(box, [&](Coord p) {
      const std::uint64_t lump =
          mix64(seed * 1000 + static_cast<std::uint64_t>((p.z + 8) / 3 * 100 + p.y / 4 * 10 + p.x / 3));
      return mix64(lump + static_cast<std::uint64_t>(box.raster(p))) % 4 == 0
                 ? 0U
                 : static_cast<std::uint32_t>(lump % 6);
    });
    const Box core = Box::from({0, 4, 2}, {5, 4, 6});
    for (const Index reach : {1, 2, 3}) {
      const auto points = decision_points(ids, core, reach);
      EXPECT_EQ(points, defined(ids, core, reach, 5)) << "seed " << seed << ", reach " << reach;
      found += points.size();
    }
  }
  EXPECT_GT(found, 100U);
}

TEST(FfnDecisionPoints, LieInTheMiddleOfAContact) {
  const Box box = Box::from({0, 0, 0}, {9, 9, 9});
  const Array ids = ids_of(box, [](Coord p) { return p.x < 4 ? 1U : p.x > 4 ? 2U : 0U; });
  EXPECT_EQ(decision_points(ids, box, 2), (std::vector<DecisionPoint>{{1, 2, {4, 4, 4}}}));
  EXPECT_TRUE(decision_points(ids, Box::from({0, 0, 7}, {9, 9, 2}), 2).empty());
}

constexpr Extent field{7, 7, 7};

/// Sure at once, and no surer for having been there twice, so that all of an object is visited.
const auto flooding = [](std::span<const float> input, std::span<float> change) {
  flood(input, change, field);
  const auto before = input.subspan(change.size());
  for (std::size_t i = 0; i < change.size(); ++i) change[i] -= before[i];
};

Settings settings() {
  Settings s;
  s.flooding.field_of_view = field;
  s.flooding.deltas = {2, 2, 2};
  s.freeze_share = 1;
  return s;
}

/// Bright voxels differ, so that no direction of moves is preferred.
float brightness(Coord p) {
  return 1 + static_cast<float>(mix64(static_cast<std::uint64_t>((p.z * 64 + p.y) * 64 + p.x)) % 64) / 64;
}

struct Scene {
  Box box = Box::from({3, -5, 8}, {21, 21, 21});
  std::vector<float> image;
  Array ids;
  DecisionPoint where{1, 2, {}};

  /// Bright but for what `dark` says; segments 1 and 2 on either side of the middle plane.
  explicit Scene(FunctionRef<bool(Coord)> dark)
      : ids{ids_of(box, [&](Coord p) {
          const Coord q = p - Extent{box.begin.z, box.begin.y, box.begin.x};
          return dark(q) ? 0U : q.x < 10 ? 1U : 2U;
        })} {
    box.for_each([&](Coord p) {
      image.push_back(dark(p - Extent{box.begin.z, box.begin.y, box.begin.x}) ? -1.0F : brightness(p));
    });
    where.point = box.begin + Extent{10, 10, 10};
  }
  Resegmented done(Network network) const {
    Resegmentation rule;
    rule.exclusion_radius = {2, 2, 2};
    rule.analysis_radius = {6, 6, 6};
    return resegment(image, std::nullopt, ids, box, where, rule, settings(), network);
  }
};

TEST(FfnResegment, OneCellInTwoSegmentsIsJoined) {
  const Resegmented found = Scene{[](Coord) { return false; }}.done(flooding);
  EXPECT_EQ(found.iou, 1);
  for (const auto& by : found.recovered)
    for (const double share : by) EXPECT_EQ(share, 1);
  EXPECT_EQ(found.deleted[0] + found.deleted[1], 0);
  EXPECT_TRUE(belong_together(found, {}));
}

TEST(FfnResegment, TwoCellsWithAWallAreNot) {
  const Resegmented found = Scene{[](Coord q) { return q.x == 10; }}.done(flooding);
  EXPECT_EQ(found.iou, 0);
  EXPECT_EQ(found.recovered[0][0], 1);
  EXPECT_EQ(found.recovered[0][1], 0);
  EXPECT_EQ(found.recovered[1][0], 0);
  EXPECT_EQ(found.recovered[1][1], 1);
  EXPECT_FALSE(belong_together(found, {}));
}

TEST(FfnResegment, ASegmentThatNoSeedRecoversIsNotJoined) {
  int calls = 0;
  const auto blind = [&](std::span<const float>, std::span<float> change) {
    ++calls;
    std::ranges::fill(change, -20.0F);
  };
  const Resegmented found = Scene{[](Coord) { return false; }}.done(blind);
  EXPECT_EQ(found.recovered[0][0], 0);
  EXPECT_FALSE(belong_together(found, {}));
  EXPECT_EQ(calls, 8) << "as many seeds as are allowed, of the first segment only";
}

TEST(FfnResegment, SeedsKeepAwayFromEachOther) {
  std::size_t calls = 0;
  const auto blind = [&](std::span<const float>, std::span<float> change) {
    ++calls;
    std::ranges::fill(change, -20.0F);
  };
  Scene scene{[](Coord) { return false; }};
  Resegmentation rule;
  rule.exclusion_radius = {40, 40, 40};
  resegment(scene.image, std::nullopt, scene.ids, scene.box, scene.where, rule, settings(), blind);
  EXPECT_EQ(calls, 1U);
}

TEST(FfnGrowAlone, TellsWhatWasLetGo) {
  const Box box = Box::from({0, 0, 0}, {7, 7, 9});
  const std::vector<float> image(static_cast<std::size_t>(box.voxels()), 1);
  int calls = 0;
  // All at first; then the lower half in y is let go, but for the seed's own row.
  const auto fickle = [&](std::span<const float> input, std::span<float> change) {
    const Box view = Box::from({0, 0, 0}, field);
    const std::span<const float> before = input.subspan(change.size());
    view.for_each([&](Coord p) {
      const auto i = static_cast<std::size_t>(view.raster(p));
      change[i] = (calls > 0 && p.y < 3 ? -5.0F : 5.0F) - before[i];
    });
    ++calls;
  };
  Settings s = settings();
  s.flooding.deltas = {0, 0, 1};
  const auto fates = grow_alone(image, std::nullopt, box, {3, 3, 4}, s, fickle);
  EXPECT_EQ(calls, 3);
  box.for_each([&](Coord p) {
    const Fate expected = p.y >= 3 ? Fate::held : p.x >= 1 && p.x < 8 ? Fate::let_go : Fate::never;
    EXPECT_EQ(fates[static_cast<std::size_t>(box.raster(p))], expected) << to_string(p);
  });
}

TEST(FfnResegment, EachLimitCounts) {
  Resegmented good;
  good.iou = 0.81;
  for (auto& by : good.recovered)
    for (double& share : by) share = 0.61;
  good.deleted[1] = 0.5;
  EXPECT_TRUE(belong_together(good, {}));
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      Resegmented bad = good;
      bad.recovered[i][j] = 0.6;
      EXPECT_FALSE(belong_together(bad, {}));
    }
  Resegmented bad = good;
  bad.iou = 0.8;
  EXPECT_FALSE(belong_together(bad, {}));
  bad = good;
  bad.deleted[0] = 0.02;
  EXPECT_FALSE(belong_together(bad, {}));
}

}  // namespace resegment_cases
}  // namespace petavox::ffn
