#include "stages/long_range/long_range.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/long_range/kernel.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using long_range::Step;

TEST(LongRange, LinesCrossTheFacesInOrder) {
  EXPECT_EQ(long_range::line_to({0, 0, -2}), (std::vector<Step>{{2, {0, 0, 0}}, {2, {0, 0, -1}}}));
  EXPECT_EQ(long_range::line_to({0, 2, 0}), (std::vector<Step>{{1, {0, 1, 0}}, {1, {0, 2, 0}}}));
  // A diagonal goes through corners: z before y before x.
  EXPECT_EQ(long_range::line_to({-1, 0, -1}), (std::vector<Step>{{0, {0, 0, 0}}, {2, {-1, 0, 0}}}));
  EXPECT_EQ(long_range::line_to({0, -1, 3}),
            (std::vector<Step>{{2, {0, 0, 1}}, {1, {0, 0, 1}}, {2, {0, -1, 2}}, {2, {0, -1, 3}}}));
}

/// Walks from v to v + offset through faces and takes the least affinity on the way.
TEST(LongRange, IsTheLeastAffinityOnTheWay) {
  testing::Random random{5};
  const Box domain = Box::from({-4, 7, 2}, {9, 11, 10});
  for (const DType type : {DType::u8, DType::u16}) {
    const Array affinities = testing::random_image(type, domain, 3, testing::Texture::uniform, 9);
    std::vector<Extent> offsets;
    for (int i = 0; i < 40; ++i) {
      const auto within = [&] { return static_cast<Index>(random.below(11)) - 5; };
      offsets.push_back({within(), within(), within()});
    }
    Array out{type, domain, domain, static_cast<int>(offsets.size())};
    long_range::fill(affinities, offsets, out);
    const auto value = [&](const Array& array, int k, Coord p) {
      return type == DType::u8 ? array.view<std::uint8_t>().at(k, p) : array.view<std::uint16_t>().at(k, p);
    };
    for (std::size_t k = 0; k < offsets.size(); ++k)
      domain.for_each([&](Coord v) {
        int expected = type == DType::u8 ? 255 : 65535;
        Coord at = v;
        for (const Step& step : long_range::line_to(offsets[k])) {
          // Each step is an edge at the place reached so far.
          const Coord upper = v + step.at;
          Coord lower = upper;
          --lower[step.channel];
          ASSERT_TRUE(at == upper || at == lower);
          at = at == upper ? lower : upper;
          if (domain.contains(v + offsets[k]))
            expected = std::min<int>(expected, value(affinities, step.channel, upper));
        }
        ASSERT_EQ(at, v + offsets[k]);
        if (!domain.contains(at)) expected = 0;
        ASSERT_EQ(value(out, static_cast<int>(k), v), expected) << to_string(v);
      });
  }
}

TEST(LongRange, IsDecompositionInvariant) {
  EXPECT_TRUE(testing::check_stage<LongRange>(
      {{"offsets", "[[-1, 0, 0], [0, 0, -1], [0, 4, 0], [-3, 2, 0], [2, -1, -5]]"}}));
}

}  // namespace
}  // namespace petavox
