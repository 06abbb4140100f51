// Rendering through a placement and a field: where pixels come from, in pieces of any size.

#include "stages/align/warp.hpp"

#include "stages/align/level.hpp"

#include "unit/align/texture.hpp"

#include <gtest/gtest.h>

namespace petavox::align {
namespace {

Array texture(const Box& box) {
  Array image{DType::u8, box};
  const auto view = image.view<std::uint8_t>();
  box.for_each([&](Coord p) {
    view[p] = static_cast<std::uint8_t>(
        test::texture_at(3, static_cast<double>(p.y), static_cast<double>(p.x)) + 0.5);
  });
  return image;
}

class Warp : public ::testing::Test {
 protected:
  Warp()
      : source{texture(Box::from({0, -20, 10}, {1, 120, 130}))},
        field{DType::i32, coarsened(canvas, {1, 16, 16}), 2} {
    const auto view = field.view<std::int32_t>();
    field.box().for_each([&](Coord p) {
      view.at(0, p) = to_units(2.5 + 0.04 * node_centre(p.x, 16));
      view.at(1, p) = to_units(-1.25 + 0.03 * node_centre(p.y, 16));
    });
  }
  Mapping mapping() const {
    return {{0.97, -0.2, 9, 0.2, 0.97, 4}, FieldSection{field.view<std::int32_t>(), 0, 16}, 16, 1, true};
  }
  Vec2 source_at(Coord p) const {
    Vec2 at;
    SourceRows{mapping(), p.x, 1}.read(p.y, &at.y, &at.x);
    return at;
  }
  Array rendered(Kernel kernel, Index held) {
    Array out{DType::u8, canvas};
    render(
        mapping(), canvas, source.box(),
        [&](const Box& box) {
          reads.push_back(box);
          Array piece{DType::u8, box, source.box()};
          copy_box(source, piece, box);
          return piece;
        },
        {kernel, 1, held, 7}, out);
    return out;
  }
  Box canvas = Box::from({0, 0, 0}, {1, 100, 110});
  Array source, field;
  std::vector<Box> reads;
};

TEST_F(Warp, ShowsTheSourceWhereTheMapSays) {
  const Array out = rendered(Kernel::lanczos, 0);
  const auto view = out.view<std::uint8_t>();
  double sum = 0;
  int count = 0, outside = 0;
  canvas.for_each([&](Coord p) {
    const Vec2 at = source_at(p);
    const auto x = static_cast<double>(p.x), y = static_cast<double>(p.y);
    const Vec2 expected = source_of(mapping().placement, {y + 2.5 + 0.04 * x, x - 1.25 + 0.03 * y});
    ASSERT_NEAR(at.y, expected.y, 0.01);
    ASSERT_NEAR(at.x, expected.x, 0.01);
    if (expected.y < -20.6 || expected.y > 99.6 || expected.x < 9.4 || expected.x > 139.6) {
      EXPECT_EQ(view[p], 7) << to_string(p);
      ++outside;
    } else if (expected.y > -17 && expected.y < 96 && expected.x > 13 && expected.x < 136) {
      const double error = view[p] - test::texture_at(3, expected.y, expected.x);
      sum += error * error;
      ++count;
    }
  });
  EXPECT_GT(count, 5000);
  EXPECT_GT(outside, 100);
  EXPECT_LT(std::sqrt(sum / count), 1.2) << "grey levels";
}

TEST_F(Warp, PiecesOfAnySizeGiveTheSamePixelsAndStayWithinWhatIsHeld) {
  const Array whole = rendered(Kernel::cubic, 0);
  for (const Index held : {Index{4000}, Index{400}, Index{64}}) {
    reads.clear();
    const Array pieces = rendered(Kernel::cubic, held);
    EXPECT_TRUE(std::ranges::equal(whole.bytes(), pieces.bytes())) << held;
    for (const Box& box : reads) EXPECT_LE(box.voxels(), held);
  }
}

TEST_F(Warp, WhatHoldsNothingNeitherDarkensNorIsInventedBesideContent) {
  // Content ends at x = 60 of the source, in tissue of one grey level with a black pixel.
  const auto view = source.view<std::uint8_t>();
  source.box().for_each([&](Coord p) { view[p] = p.x < 60 ? 90 : 0; });
  view[{0, 30, 30}] = 1;
  for (const Kernel kernel : {Kernel::cubic, Kernel::lanczos}) {
    Array out{DType::u8, canvas};
    render(
        mapping(), canvas, source.box(),
        [&](const Box& box) {
          Array piece{DType::u8, box, source.box()};
          copy_box(source, piece, box);
          return piece;
        },
        {kernel, 1, 0, 0, 0.0}, out);
    const auto shown = std::as_const(out).view<std::uint8_t>();
    Index content = 0, nothing = 0;
    canvas.for_each([&](Coord p) {
      const Vec2 at = source_at(p);
      const Coord nearest{0, static_cast<Index>(std::floor(at.y + 0.5)),
                          static_cast<Index>(std::floor(at.x + 0.5))};
      if (!source.box().contains(nearest) || nearest.x >= 60) {
        ++nothing;
        ASSERT_EQ(shown[p], 0) << to_string(p);
        return;
      }
      ++content;
      ASSERT_GT(shown[p], 0) << to_string(p);
      const bool far = std::abs(at.y - 30) > 4 || std::abs(at.x - 30) > 4;
      ASSERT_TRUE(!far || shown[p] == 90) << to_string(p);
    });
    EXPECT_GT(content, 3000);
    EXPECT_GT(nothing, 3000);
  }
}

TEST_F(Warp, TheBoundThatStagesDeclareHoldsATileOfAnyRotation) {
  // A tile turned by 45 degrees and stretched by a fifth is read at once.
  const double c = 0.70711 * 1.2;
  const Mapping turned{{c, -c, 1000, c, c, 1000},
                       FieldSection{std::as_const(field).view<std::int32_t>(), 0, 16},
                       16,
                       1,
                       false};
  const Box big = Box::from({0, -4000, -4000}, {1, 8000, 8000});
  int pieces = 0;
  Array out{DType::u8, Box::from({0, 0, 0}, {1, 256, 256})};
  render(
      turned, out.box(), big,
      [&](const Box& box) {
        ++pieces;
        return Array{DType::u8, box, big};
      },
      {Kernel::lanczos, 1, held_for_tile(256), 0}, out);
  EXPECT_EQ(pieces, 1);
}

TEST(Level, IsTheMeanOfWhatHoldsSomething) {
  Array image{DType::u8, Box::from({0, 0, 0}, {1, 4, 6})};
  const auto view = image.view<std::uint8_t>();
  image.box().for_each([&](Coord p) { view[p] = static_cast<std::uint8_t>(10 * (p.y + 1) + p.x); });
  view[{0, 0, 0}] = 0;
  for (const Coord p : {Coord{0, 2, 2}, Coord{0, 2, 3}, Coord{0, 3, 2}}) view[p] = 0;
  Array excluded{DType::u8, image.box()};
  excluded.view<std::uint8_t>()[{0, 0, 5}] = 1;
  Array out{DType::u8, Box::from({0, 0, 0}, {1, 2, 3}), 2};
  make_level(image, &excluded, 2, 0, out);
  const auto level = std::as_const(out).view<std::uint8_t>();
  EXPECT_EQ(level.at(0, {0, 0, 0}), 17);  // (11 + 20 + 21) / 3 = 17.33
  EXPECT_EQ(level.at(1, {0, 0, 0}), 255);
  EXPECT_EQ(level.at(0, {0, 1, 1}), 43);  // one pixel of four is left
  EXPECT_EQ(level.at(1, {0, 1, 1}), 0);
  EXPECT_EQ(level.at(0, {0, 0, 2}), 21);  // (14 + 24 + 25) / 3
  EXPECT_EQ(level.at(1, {0, 0, 2}), 255);
}

}  // namespace
}  // namespace petavox::align
