#include "stages/normalize/normalize.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using normalize::Lattice;
using normalize::Settings;

Array normalised(const Array& image, const Settings& settings) {
  Array out{DType::u8, image.box(), image.domain()};
  normalize::normalised(image, out.view<std::uint8_t>(), settings);
  return out;
}

TEST(Normalize, IsDecompositionInvariant) {
  EXPECT_TRUE(testing::check_stage<Normalize>({{"cell", "[1, 3, 4]"}, {"min_contrast", "1"}}));
  EXPECT_TRUE(testing::check_stage<Normalize>({{"cell", "3"}, {"skip_zeros", "false"}}));
}

TEST(Normalize, CellsPartitionTheAxisAndReachFarEnough) {
  for (const Index length : {1, 2, 3, 7, 64, 100})
    for (const Index cell : {1, 2, 5, 64, 1000}) {
      const Lattice lattice{-9, -9 + length, cell};
      EXPECT_EQ(lattice.begin(0), -9);
      EXPECT_EQ(lattice.begin(lattice.size()), -9 + length);
      for (Index p = -9; p < -9 + length; ++p) {
        const Index k = lattice.cell_of(p);
        EXPECT_TRUE(lattice.begin(k) <= p && p < lattice.begin(k + 1));
        const Index lower = lattice.lower_cell(p), upper = lattice.upper_cell(p);
        EXPECT_TRUE(lower <= k && k <= upper && upper <= lower + 1);
        EXPECT_LE(p - lattice.begin(lower), lattice.reach());
        EXPECT_LE(lattice.begin(upper + 1) - p, lattice.reach() + 1);
      }
    }
}

TEST(Normalize, EvensOutSections) {
  const Box box = Box::from({0, 0, 0}, {6, 40, 40});
  const Array texture = testing::random_image(DType::u8, box, 1, testing::Texture::uniform, 7);
  Array image{DType::u16, box};
  const auto in = texture.view<std::uint8_t>();
  const auto out = image.view<std::uint16_t>();
  // Each section has a brightness and a contrast of its own.
  box.for_each([&](Coord p) { out[p] = static_cast<std::uint16_t>(300 * (p.z + 1) + in[p] * (p.z + 1)); });
  Settings settings;
  settings.cell = {1, 40, 40};
  const Array result = normalised(image, settings);
  const auto view = result.view<std::uint8_t>();
  for (Index z = 0; z < 6; ++z) {
    double sum = 0, squares = 0;
    for (const std::uint8_t v : view.channel().subspan(static_cast<std::size_t>(z * 1600), 1600)) {
      sum += v;
      squares += static_cast<double>(v) * v;
    }
    EXPECT_NEAR(sum / 1600, 128, 0.5);
    EXPECT_NEAR(std::sqrt(squares / 1600 - sum / 1600 * (sum / 1600)), 33, 0.5);
  }
}

TEST(Normalize, ZerosAreNoData) {
  const Box box = Box::from({0, 0, 0}, {1, 8, 64});
  const Array texture = testing::random_image(DType::u8, box, 1, testing::Texture::uniform, 9);
  Array half = texture.clone(), right{DType::u8, Box{{0, 0, 32}, {1, 8, 64}}};
  const auto in = texture.view<std::uint8_t>();
  const auto cut = half.view<std::uint8_t>();
  const auto alone = right.view<std::uint8_t>();
  box.for_each([&](Coord p) {
    if (p.x < 32)
      cut[p] = 0;
    else
      alone[p] = cut[p] = std::max<std::uint8_t>(1, in[p]);
  });
  Settings settings;
  settings.cell = {1, 8, 16};
  const Array a = normalised(half, settings), b = normalised(right, settings);
  box.for_each([&](Coord p) {
    if (p.x < 32)
      EXPECT_EQ(a.view<std::uint8_t>()[p], 0);
    else
      EXPECT_NEAR(a.view<std::uint8_t>()[p], b.view<std::uint8_t>()[p], 1) << to_string(p);
  });
}

TEST(Normalize, DoesNotBlowUpNoise) {
  const Box box = Box::from({0, 0, 0}, {4, 4, 4});
  Array image{DType::u8, box};
  box.for_each([&](Coord p) { image.view<std::uint8_t>()[p] = static_cast<std::uint8_t>(100 + (p.x & 1)); });
  Settings settings;
  settings.min_contrast = 33;
  const Array result = normalised(image, settings);
  box.for_each([&](Coord p) { EXPECT_NEAR(result.view<std::uint8_t>()[p], 128, 1); });
}

}  // namespace
}  // namespace petavox
