// What is damage, and what only looks like it.

#include "stages/open_folds/damage.hpp"

#include "unit/align/texture.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace petavox::open_folds::damage_test {

constexpr Index side = 200;

Picture tissue(std::uint64_t seed) {
  Picture picture{{side, side}, {side, side, 1}};
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x)
      picture.grey.at(y, x) = static_cast<std::uint16_t>(
          test::texture_at(seed, static_cast<double>(y), static_cast<double>(x)) + 0.5);
  return picture;
}

/// Pixels of a kind, and of those how many lie where `inside` says.
template <class F>
std::pair<Index, Index> found(const Mask& damage, What what, const F& inside) {
  Index all = 0, right = 0;
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x)
      if (damage.at(y, x) == static_cast<std::uint8_t>(what)) {
        ++all;
        right += inside(y, x) ? 1 : 0;
      }
  return {all, right};
}

bool none(const Mask& damage) {
  return std::ranges::all_of(damage.values, [](std::uint8_t v) { return v == 0; });
}

TEST(Damage, TissueIsWhole) {
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    const Picture picture = tissue(seed);
    Mask damage = damage_of(picture, {});
    drop_what_parts_nothing(picture, {}, damage);
    EXPECT_TRUE(none(damage)) << seed;
  }
}

TEST(Damage, AnObliqueFoldIsFoundAndPartsTheSection) {
  Picture picture = tissue(7);
  const auto folded = [](Index y, Index x) { return std::abs(2 * x + y - 300) < 12; };
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x)
      if (folded(y, x)) picture.grey.at(y, x) = static_cast<std::uint16_t>(picture.grey.at(y, x) / 5);
  Mask damage = damage_of(picture, {});
  drop_what_parts_nothing(picture, {}, damage);
  const auto [all, right] = found(damage, What::dark, folded);
  EXPECT_GT(right, 200 * 11 * 0.85);
  EXPECT_LT(all - right, 0.25 * static_cast<double>(all));  // dark tissue beside it
  const Mask pieces = pieces_of(picture, damage, {});
  EXPECT_EQ(pieces.at(10, 10), 1);  // the larger one
  EXPECT_EQ(pieces.at(190, 190), 2);
  EXPECT_EQ(pieces.at(100, 100), static_cast<std::uint8_t>(What::dark));
}

TEST(Damage, RoundDarkThingsAreTissue) {
  Picture picture = tissue(8);
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x)
      if ((y - 90) * (y - 90) + (x - 110) * (x - 110) < 30 * 30) picture.grey.at(y, x) = 5;
  EXPECT_TRUE(none(damage_of(picture, {})));
}

TEST(Damage, AnEmptyCrackIsFoundAndTheMarginIsNot) {
  Picture picture = tissue(9);
  const auto cracked = [](Index y, Index) { return y >= 120 && y < 128; };
  const auto outside = [](Index, Index x) { return x < 15; };
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x)
      if (cracked(y, x) || outside(y, x)) picture.holds.at(y, x) = 0;
  const Mask damage = damage_of(picture, {});
  const auto [all, right] = found(damage, What::empty, cracked);
  EXPECT_GT(right, 150 * 6);
  EXPECT_LT(all - right, 100);
  const Mask pieces = pieces_of(picture, damage, {});
  EXPECT_EQ(pieces.at(60, 100), 1);
  EXPECT_EQ(pieces.at(170, 100), 2);
}

TEST(Damage, WhatGoesOnInTheNextSectionIsAVessel) {
  Picture first = tissue(10), second = tissue(11);
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x)
      for (Picture* picture : {&first, &second})
        if (std::abs(x - 100 - (picture == &first ? 0 : 2)) < 6) picture->grey.at(y, x) = 3;
  Mask damage = damage_of(first, {});
  const Mask other = damage_of(second, {});
  EXPECT_FALSE(none(damage));
  drop_what_goes_on(damage, other);
  EXPECT_TRUE(none(damage));
}

TEST(Damage, CountsWhereItPartsTheSection) {
  for (const Index reaches : {side, Index{150}}) {
    Picture picture = tissue(12);
    for (Index y = 0; y < reaches; ++y)
      for (Index x = 96; x < 106; ++x) picture.grey.at(y, x) = 255;
    Mask damage = damage_of(picture, {});
    EXPECT_FALSE(none(damage));
    drop_what_parts_nothing(picture, {}, damage);
    EXPECT_EQ(none(damage), reaches < side);
  }
}

TEST(Damage, ASectionThatHoldsNothingHasNone) {
  Picture picture{{side, side}, {side, side, 0}};
  EXPECT_TRUE(none(damage_of(picture, {})));
  picture = {{side, side, 128}, {side, side, 1}};
  EXPECT_TRUE(none(damage_of(picture, {})));
}

}  // namespace petavox::open_folds::damage_test
