// What the search computes of whole planes in vectors, against its definition pixel by pixel: the same bits.

#include "petavox/base/hash.hpp"

#include "stages/coarse_align/features.hpp"
#include "stages/coarse_align/gradients.hpp"
#include "stages/coarse_align/plane.hpp"

#include "unit/kernels/every_path.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox::coarse_align {
namespace {

Plane noise(Index height, Index width) {
  Plane plane{height, width};
  for (std::size_t i = 0; i < plane.values.size(); ++i)
    plane.values[i] = static_cast<float>(static_cast<double>(mix64(i + 17) >> 40) * 0x1p-23 - 1);
  return plane;
}

/// A filter along one axis, its edges repeated.
Plane filtered(const Plane& in, const boundary::Taps& taps, bool along_y) {
  Plane out{in.height, in.width};
  for (Index y = 0; y < in.height; ++y)
    for (Index x = 0; x < in.width; ++x) {
      const auto value = [&](Index t) {
        return along_y ? in.at(std::clamp<Index>(y + t, 0, in.height - 1), x)
                       : in.at(y, std::clamp<Index>(x + t, 0, in.width - 1));
      };
      float sum = taps.weights[0] * value(0);
      for (int t = 1; t <= taps.radius(); ++t)
        sum += taps.weights[static_cast<std::size_t>(t)] * (value(-t) + value(t));
      out.at(y, x) = sum;
    }
  return out;
}

TEST(Planes, AreSmoothedByTheSameBitsAsPixelByPixel) {
  testing::on_every_path([](const std::string& path) {
    for (const auto& [height, width] : {std::pair<Index, Index>{77, 131}, {1, 40}, {33, 1}, {64, 64}})
      for (const double sigma : {0.1, 1.0, 2.5, 10.0, 32.0}) {
        const Plane plane = noise(height, width);
        const boundary::Taps taps = boundary::gaussian_taps(sigma);
        const Plane expected = filtered(filtered(plane, taps, true), taps, false);
        EXPECT_EQ(smoothed(plane, sigma).values, expected.values)
            << path << ' ' << height << " x " << width << ' ' << sigma;
      }
  });
}

TEST(Planes, HaveTheSameGradientsAsPixelByPixel) {
  Plane plane = noise(12, 64);
  // No gradient at all, and none along one axis.
  for (Index y = 3; y < 8; ++y)
    for (Index x = 20; x < 30; ++x) plane.at(y, x) = x < 25 ? 0.25F : static_cast<float>(y);
  testing::on_every_path([&](const std::string& path) {
    for (const long count : {1L, 7L, 62L})
      for (Index y = 1; y + 1 < plane.height; ++y) {
        std::vector<double> lengths(static_cast<std::size_t>(count)), angles{lengths};
        gradients(plane.row(y - 1) + 1, plane.row(y) + 1, plane.row(y + 1) + 1, count, lengths.data(),
                  angles.data());
        for (long i = 0; i < count; ++i) {
          const auto dy = static_cast<double>(plane.at(y + 1, i + 1) - plane.at(y - 1, i + 1));
          const auto dx = static_cast<double>(plane.at(y, i + 2) - plane.at(y, i));
          EXPECT_EQ(lengths[static_cast<std::size_t>(i)], std::sqrt(dy * dy + dx * dx)) << path;
          EXPECT_EQ(angles[static_cast<std::size_t>(i)], angle_of(dy, dx)) << path << ' ' << dy << ' ' << dx;
        }
      }
  });
}

TEST(Planes, LieOnATurnedGridAsItsDefinitionSays) {
  const Direction turn = direction_of(2.1);
  const TurnedGrid grid{20.3, 31.7, 2.1, turn.sine, turn.cosine, 4.8, 2, 8};
  constexpr long count = 29;
  std::vector<double> angles, cell_y(count), cell_x(count), directions(count);
  for (int i = 0; i < count; ++i) angles.push_back(0.21 * i);
  testing::on_every_path([&](const std::string& path) {
    lay_on_grid(grid, 17, 25, angles.data(), count, cell_y.data(), cell_x.data(), directions.data());
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double dy = 17 - grid.y, dx = 25 + i - grid.x;
      EXPECT_EQ(cell_y[at], (turn.cosine * dy - turn.sine * dx) / grid.cell + 2 - 0.5) << path;
      EXPECT_EQ(cell_x[at], (turn.cosine * dx + turn.sine * dy) / grid.cell + 2 - 0.5) << path;
      double relative = angles[at] - grid.angle;
      if (relative < 0) relative += 2 * 3.14159265358979323846;
      EXPECT_EQ(directions[at], relative * 8 / (2 * 3.14159265358979323846)) << path;
    }
  });
}

TEST(Features, AreTheSameOnEveryPath) {
  const Plane image = smoothed(noise(150, 170), 2.5);
  Plane even = image, inside{150, 170};
  for (float& v : even.values) v *= 15;
  std::ranges::fill(inside.values, 1.0F);
  const Features first = features_of(even, inside, 300, true);
  EXPECT_GT(first.points.size(), 100U);
  testing::on_every_path([&](const std::string& path) {
    const Features features = features_of(even, inside, 300, true);
    EXPECT_EQ(features.points, first.points) << path;
    EXPECT_EQ(features.descriptors, first.descriptors) << path;
  });
}

}  // namespace
}  // namespace petavox::coarse_align
