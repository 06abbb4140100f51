// The search for patches, in vectors and with sums shared between shifts, against sums pixel by pixel: the
// same bits.

#include "stages/coarse_align/patches.hpp"

#include "petavox/base/hash.hpp"

#include "stages/coarse_align/statistics.hpp"

#include "unit/kernels/every_path.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox::coarse_align {
namespace {

struct Image {
  Plane values{61, 70}, inside{61, 70};
  /// Noise that goes on from pixel to pixel; `holes`: pixels in a hundred that hold nothing.
  Image(std::uint64_t seed, Index dy, Index dx, int holes) {
    for (Index y = 0; y < values.height; ++y)
      for (Index x = 0; x < values.width; ++x) {
        double sum = 0;
        for (Index j = 0; j < 3; ++j)
          for (Index i = 0; i < 3; ++i)
            sum += static_cast<double>(mix64(static_cast<std::uint64_t>((y + dy + j) * 977 + x + dx + i)) >>
                                       40) *
                       0x1p-24 -
                   0.5;
        const std::uint64_t r = mix64(seed ^ static_cast<std::uint64_t>(y * 977 + x));
        values.at(y, x) = static_cast<float>(sum + 0.3 * (static_cast<double>(r >> 40) * 0x1p-24 - 0.5));
        inside.at(y, x) = static_cast<int>(r % 100) < holes ? 0.0F : 1.0F;
      }
  }
  Masked masked() const { return {values, inside}; }
};

/// By the definition; -1 where nothing is found.
double correlation(const Masked& a, const Masked& b, const Rect& what, Index dy, Index dx, double flat) {
  double n = 0, sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
  for (Index y = what.y0; y < what.y1; ++y) {
    float rn = 0, ra = 0, rb = 0, raa = 0, rbb = 0, rab = 0;
    for (Index x = what.x0; x < what.x1; ++x) {
      if (y + dy < 0 || y + dy >= b.values.height || x + dx < 0 || x + dx >= b.values.width) continue;
      const float m = a.inside.at(y, x) * b.inside.at(y + dy, x + dx);
      const float u = m * a.values.at(y, x), v = m * b.values.at(y + dy, x + dx);
      rn += m;
      ra += u;
      rb += v;
      raa += u * u;
      rbb += v * v;
      rab += u * v;
    }
    n += static_cast<double>(rn);
    sa += static_cast<double>(ra);
    sb += static_cast<double>(rb);
    aa += static_cast<double>(raa);
    bb += static_cast<double>(rbb);
    ab += static_cast<double>(rab);
  }
  if (n < 0.7 * static_cast<double>(what.height() * what.width())) return -1;
  const double va = aa - sa * sa / n, vb = bb - sb * sb / n;
  return va > flat * flat * n && vb > flat * flat * n ? (ab - sa * sb / n) / std::sqrt(va * vb) : -1;
}

void find_as_pixel_by_pixel(const std::string& path) {
  SCOPED_TRACE(path);
  constexpr Index radius = 7;
  int found = 0;
  for (const int holes : {0, 1, 10})
    for (const Rect what :
         {Rect{20, 20, 52, 52}, Rect{0, 0, 32, 32}, Rect{29, 38, 61, 70}, Rect{9, 3, 26, 40}}) {
      const Image a{1, 0, 0, holes}, b{2, 3, -2, holes};
      const auto peak = match_patch(a.masked(), b.masked(), what, -1, 1, radius, 0.1);
      const auto at = [&](Index j, Index i) {
        return correlation(a.masked(), b.masked(), what, j - 1, i + 1, 0.1);
      };
      Index y = -radius, x = -radius;
      for (Index j = -radius; j <= radius; ++j)
        for (Index i = -radius; i <= radius; ++i)
          if (at(j, i) > at(y, x)) y = j, x = i;
      const double north = at(y - 1, x), south = at(y + 1, x), west = at(y, x - 1), east = at(y, x + 1);
      const bool expected =
          std::max(std::abs(y), std::abs(x)) < radius && std::min({north, south, west, east}) > -1;
      ASSERT_EQ(peak.has_value(), expected);
      if (!peak) continue;
      ++found;
      EXPECT_EQ(peak->correlation, at(y, x));
      EXPECT_EQ(peak->dy, static_cast<double>(y - 1) + vertex(north, at(y, x), south));
      EXPECT_EQ(peak->dx, static_cast<double>(x + 1) + vertex(west, at(y, x), east));
    }
  EXPECT_GE(found, 6);
}

TEST(Patches, AreFoundByTheSameBitsAsPixelByPixel) { testing::on_every_path(find_as_pixel_by_pixel); }

TEST(Patches, OfWhichTooLittleHoldsSomethingAreNotFound) {
  Image a{1, 0, 0, 0};
  const Image b{2, 3, -2, 0};
  const Rect what{20, 20, 50, 52};  // 30 rows, of which 21 are enough
  const auto without = [&](Index rows) {
    for (Index y = 20; y < 20 + rows; ++y) std::fill_n(a.inside.row(y), a.inside.width, 0.0F);
    return match_patch(a.masked(), b.masked(), what, -1, 1, 7, 0.1).has_value();
  };
  EXPECT_TRUE(without(9));
  EXPECT_FALSE(without(10));
}

}  // namespace
}  // namespace petavox::coarse_align
