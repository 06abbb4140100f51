#include "petavox/base/hash.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/ffn/canvas.hpp"
#include "stages/ffn/consensus.hpp"
#include "stages/ffn/movement.hpp"
#include "stages/ffn/seeds.hpp"

#include "unit/ffn/flood.hpp"
#include "unit/ffn/naive_ffn.hpp"

#include <gtest/gtest.h>

namespace petavox::ffn {
namespace {

const auto random_of = [](Coord p) {
  return mix64(static_cast<std::uint64_t>(p.z * 1000003 + p.y * 1009 + p.x));
};

/// Made with scipy.ndimage: generic_gradient_magnitude(image, sobel) and gaussian_filter(sigma 49 / 6).
TEST(FfnSeeds, FiltersEqualScipy) {
  const Extent shape{9, 11, 13};
  std::vector<float> image;
  Box::from({0, 0, 0}, shape).for_each([&](Coord p) {
    image.push_back(static_cast<float>((p.z * 31 + p.y * 17 + p.x * 7 + p.z * p.y * p.x) % 23));
  });
  const auto gradient = sobel_magnitude(image, shape);
  auto mean = gradient;
  gaussian_mean(mean, shape, 49.0 / 6);
  struct Expected {
    Coord p;
    float gradient, mean;
  };
  for (const Expected& e : std::vector<Expected>{{{0, 0, 0}, 134.461884F, 92.297943F},
                                                 {{8, 10, 12}, 135.952194F, 93.736961F},
                                                 {{4, 5, 6}, 89.949989F, 93.051826F},
                                                 {{0, 5, 12}, 53.291649F, 92.566986F},
                                                 {{7, 1, 3}, 55.883808F, 92.516129F}}) {
    const auto i = static_cast<std::size_t>(Box::from({0, 0, 0}, shape).raster(e.p));
    EXPECT_NEAR(gradient[i], e.gradient, 1e-4F * e.gradient) << to_string(e.p);
    EXPECT_NEAR(mean[i], e.mean, 1e-4F * e.mean) << to_string(e.p);
  }
}

TEST(FfnSeeds, LieInTheMiddleOfWhatIsClosed) {
  // Two boxes with dark walls.
  const Box box = Box::from({-4, 10, 3}, {17, 17, 31});
  std::vector<float> image;
  box.for_each([&](Coord p) {
    const Coord q = p - Extent{-4, 10, 3};
    const bool wall = q.x % 15 == 0 || q.y % 16 == 0 || q.z % 16 == 0;
    image.push_back(wall ? -2.0F : 1.0F);
  });
  const auto found = seeds(image, box, std::nullopt, {3, 3, 3}, random_of);
  ASSERT_EQ(found.size(), 2U);
  // The middle on x, where the walls are nearest; equally far ones are ordered at random.
  int boxes = 0;
  for (const Coord p : found) {
    EXPECT_LE(std::abs(p.z - 4), 1) << to_string(p);
    EXPECT_LE(std::abs(p.y - 18), 1) << to_string(p);
    const Index x = p.x - 3;
    EXPECT_TRUE(x == 7 || x == 8 || x == 22 || x == 23) << to_string(p);
    boxes += x < 15 ? 1 : 10;
  }
  EXPECT_EQ(boxes, 11);
  EXPECT_TRUE(seeds(image, box, std::nullopt, {9, 3, 3}, random_of).empty()) << "a margin leaves no room";
  std::optional<Array> mask{std::in_place, DType::u8, box};
  box.for_each([&](Coord p) { mask->view<std::uint8_t>()[p] = p.x < 18 ? 1 : 0; });
  EXPECT_EQ(seeds(image, box, mask, {3, 3, 3}, random_of).size(), 1U) << "one box is outside the mask";
}

TEST(FfnMovement, TakesTheBestVoxelOfEachFace) {
  const Extent fov{5, 7, 9}, deltas{1, 0, 2};
  std::vector<float> logits(static_cast<std::size_t>(fov.voxels()), -1);
  const auto set = [&](Coord p, float value) {
    logits[static_cast<std::size_t>(Box::from({0, 0, 0}, fov).raster(p + Extent{2, 3, 4}))] = value;
  };
  set({0, 0, 2}, 3);
  set({1, 0, -2}, 5);  // the best of two faces: one move
  set({-1, 0, 0}, 2);
  set({-1, 0, 1}, 2);  // equal: the first in the raster
  set({-1, 1, 1}, 9);  // not on a face: deltas are 0 along y
  set({0, 0, 3}, 9);   // beyond the faces
  const auto found = moves(logits, fov, deltas, 2);
  EXPECT_EQ(found, (std::vector<Move>{{5, {1, 0, -2}}, {3, {0, 0, 2}}, {2, {-1, 0, 0}}}));
  EXPECT_EQ(moves(logits, fov, deltas, 4).size(), 1U);
}

TEST(FfnMovement, VisitsEachCellOnce) {
  Movement movement{{10, 10, 10}, {0, 4, 8}};
  const auto any = [](Coord) { return true; };
  EXPECT_EQ(movement.next(any), (Coord{10, 10, 10}));
  // The seed's cell reaches from -2 to 1 on y and from -4 to 3 on x.
  const std::vector<Move> onwards{
      {1, {0, 1, 3}}, {1, {0, -2, -4}}, {1, {0, 2, 0}}, {1, {0, 0, -5}}, {1, {1, 0, 0}}};
  movement.visited({10, 10, 10}, onwards);
  EXPECT_EQ(movement.next(any), (Coord{10, 12, 10}));
  EXPECT_EQ(movement.next([](Coord p) { return p.z == 11; }), (Coord{11, 10, 10}));
  EXPECT_EQ(movement.next(any), std::nullopt);
}

TEST(FfnCanvas, FillsConnectedObjectsAndNothingElse) {
  const Box box = Box::from({2, -3, 0}, {15, 21, 30});
  Array ids{DType::u32, box};
  std::vector<float> image;
  // A winding tube, and a plate apart from it.
  const auto tube = [](Coord p) { return (p.z == 8 || p.z == 9) && (p.y < 8 || p.x > 14) && p.x < 25; };
  const auto plate = [](Coord p) { return p.z >= 12; };
  // Brighter and darker voxels, so that no direction of moves is preferred.
  box.for_each([&](Coord p) {
    const auto brightness = static_cast<float>(random_of(p) % 64) / 64;
    image.push_back(tube(p) || plate(p) ? 0.5F + brightness : -1.0F);
  });
  Settings settings;
  settings.flooding = {{7, 7, 7}, {2, 2, 2}};
  settings.freeze_share = 1;
  settings.min_size = 10;
  const std::vector<Coord> seeds{{8, 5, 5}, {9, 5, 8}, {13, 4, 10}, {6, 4, 20}};
  const auto network = [](auto in, auto out) { flood(in, out, {7, 7, 7}); };
  const Work work = segment(image, std::nullopt, seeds, settings, network, ids);
  EXPECT_EQ(work.objects, 2U);
  EXPECT_EQ(work.seeds, 3U) << "the second seed lies in the first object";
  EXPECT_EQ(work.weak, 1U) << "the last seed is dark";
  const auto found = ids.view<std::uint32_t>();
  std::size_t right = 0, all = 0;
  box.for_each([&](Coord p) {
    const std::uint32_t expected = tube(p) ? 1U : plate(p) ? 2U : 0U;
    ASSERT_TRUE(found[p] == expected || found[p] == 0) << to_string(p);
    all += expected != 0 ? 1U : 0U;
    right += expected != 0 && found[p] == expected ? 1U : 0U;
  });
  // The field of view is small: what no move leads to stays free.
  EXPECT_GT(right, all * 60 / 100);
  // Too small; and a mask that cuts the tube.
  Array none{DType::u32, box}, cut{DType::u32, box};
  settings.min_size = 100000;
  EXPECT_EQ(segment(image, std::nullopt, seeds, settings, network, none).small, 3U);
  settings.min_size = 10;
  std::optional<Array> mask{std::in_place, DType::u8, box};
  box.for_each([&](Coord p) { mask->view<std::uint8_t>()[p] = p.x < 20 ? 1 : 0; });
  segment(image, mask, seeds, settings, network, cut);
  const auto inside = cut.view<std::uint32_t>();
  box.for_each([&](Coord p) { ASSERT_TRUE(p.x < 20 || inside[p] == 0) << to_string(p); });
}

/// Random images, a network of random weights, all settings: the canvas does what the definition says.
TEST(FfnCanvas, EqualsTheDefinition) {
  std::uint64_t objects = 0, moves = 0, weak = 0, small = 0;
  for (std::uint64_t round = 0; round < 24; ++round) {
    std::uint64_t state = round;
    const auto random = [&] {
      return static_cast<double>(state = mix64(state + 1)) / 18446744073709551616.0;
    };
    const Box box = Box::from({-3, 4, 0}, {11 + static_cast<Index>(round % 3), 12, 14});
    const Extent fov = round % 2 == 0 ? Extent{5, 5, 7} : Extent{3, 7, 5};
    std::vector<float> image;
    box.for_each([&](Coord p) {
      const auto noise = static_cast<float>(random() - 0.5);
      image.push_back(noise + ((p.x / 5 + p.y / 5 + p.z / 4) % 2 == 0 ? 0.8F : -0.4F));
    });
    Settings settings;
    settings.flooding = {fov, {round % 4 == 0 ? 0 : 1, 2, round % 2 == 0 ? 2 : 1}};
    settings.freeze_share = round % 3 == 0 ? 0 : round % 3 == 1 ? 0.2 : 1;
    settings.min_boundary_distance = {1, static_cast<Index>(round % 2), 1};
    settings.min_size = 4 + round;
    const float spread = 1.5F + static_cast<float>(random()), bias = -2.0F * static_cast<float>(random());
    const auto network = [&](std::span<const float> in, std::span<float> out) {
      const Box field = Box::from({0, 0, 0}, fov);
      field.for_each([&](Coord p) {
        float sum = 0;
        Box{{p.z - 1, p.y - 1, p.x - 1}, {p.z + 2, p.y + 2, p.x + 2}}.intersect(field).for_each([&](Coord q) {
          const auto i = static_cast<std::size_t>(field.raster(q));
          sum += 0.4F * in[i] + 0.05F * in[out.size() + i];
        });
        const float value = spread * sum + bias;
        out[static_cast<std::size_t>(field.raster(p))] = value > 4 ? 4 : value < -4 ? -4 : value;
      });
    };
    std::set<Coord> outside;
    std::optional<Array> mask;
    if (round % 2 == 1) {
      mask.emplace(DType::u8, box);
      box.for_each([&](Coord p) {
        const bool in = random() > 0.05;
        mask->view<std::uint8_t>()[p] = in ? 1 : 0;
        if (!in) outside.insert(p);
      });
    }
    std::vector<Coord> seeds;
    for (int i = 0; i < 40; ++i)
      seeds.push_back(box.at(static_cast<Index>(random() * static_cast<double>(box.voxels()))));
    Array ids{DType::u32, box};
    const Work work = segment(image, mask, seeds, settings, network, ids);
    oracle::NaiveFfn naive{box, image, outside, settings, network};
    const auto expected = naive.segment(seeds);
    const auto found = ids.view<std::uint32_t>();
    box.for_each([&](Coord p) {
      const auto entry = expected.find(p);
      ASSERT_EQ(found[p], entry == expected.end() ? 0U : entry->second) << round << " " << to_string(p);
    });
    objects += work.objects, moves += work.moves, weak += work.weak, small += work.small;
  }
  EXPECT_GT(objects, 20U);
  EXPECT_GT(moves, 4 * objects);
  EXPECT_GT(weak, 10U);
  EXPECT_GT(small, 0U);
}

TEST(FfnConsensus, KeepsWhatBothHaveTogether) {
  const Box box = Box::from({0, 0, 0}, {1, 2, 6});
  const auto array = [&](std::vector<std::uint32_t> values) {
    Array a{DType::u32, box};
    std::ranges::copy(values, a.view<std::uint32_t>().channel().begin());
    return a;
  };
  Array ids = array({2, 2, 2, 2, 1, 0, 2, 2, 2, 2, 1, 1});
  const Array other = array({5, 5, 7, 7, 7, 7, 5, 5, 7, 0, 7, 7});
  EXPECT_EQ(intersect(ids, other, 3), 3U);
  EXPECT_TRUE(testing::same_voxels(array({1, 1, 2, 2, 3, 0, 1, 1, 2, 0, 3, 3}), ids));
  EXPECT_EQ(intersect(ids, other, 4), 1U);
  EXPECT_TRUE(testing::same_voxels(array({1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0}), ids));
}

}  // namespace
}  // namespace petavox::ffn
