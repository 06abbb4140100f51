#include "petavox/base/hash.hpp"
#include "petavox/volume/array.hpp"

#include "stages/coarse_align/kernel.hpp"
#include "stages/coarse_align/sought.hpp"

#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

namespace petavox::coarse_align {
namespace {

/// Tissue-like texture, defined everywhere: soft blobs of several sizes at random places of a lattice each.
class Texture {
 public:
  double at(double y, double x) const {
    double sum = 0;
    for (const double cell : {9.0, 17.0, 31.0}) {
      const auto cy = static_cast<Index>(std::floor(y / cell)), cx = static_cast<Index>(std::floor(x / cell));
      for (Index j = cy - 1; j <= cy + 1; ++j)
        for (Index i = cx - 1; i <= cx + 1; ++i) {
          const std::uint64_t r =
              mix64(static_cast<std::uint64_t>(j * 1000003 + i) ^ mix64(static_cast<std::uint64_t>(cell)));
          const double by = (static_cast<double>(j) + unit(r)) * cell;
          const double bx = (static_cast<double>(i) + unit(mix64(r))) * cell;
          const double d2 = ((y - by) * (y - by) + (x - bx) * (x - bx)) / (cell * cell * 0.09);
          sum += (unit(mix64(r + 1)) - 0.5) * std::exp(-d2 / 2);
        }
    }
    return 128 + 110 * sum;
  }

 private:
  static double unit(std::uint64_t r) { return static_cast<double>(r >> 11) * 0x1p-53; }
};

/// A section of the texture: pixel p shows the texture at `onto`(p).
Array section_of(const Box& box, const Affine& onto) {
  Array image{DType::u8, box};
  const auto view = image.view<std::uint8_t>();
  const Texture texture;
  box.for_each([&](Coord p) {
    const auto y = static_cast<double>(p.y), x = static_cast<double>(p.x);
    view[p] = static_cast<std::uint8_t>(std::clamp(texture.at(onto.y(y, x), onto.x(y, x)), 1.0, 255.0));
  });
  return image;
}

Affine turned(double degrees, double scale, double y0, double x0, bool flip = false) {
  const double a = degrees * std::numbers::pi / 180;
  Affine t;
  t.yy = scale * std::cos(a);
  t.yx = scale * std::sin(a);
  t.xy = -scale * std::sin(a);
  t.xx = scale * std::cos(a);
  if (flip) {
    t.yx = -t.yx;
    t.xx = -t.xx;
  }
  t.y0 = y0;
  t.x0 = x0;
  return t;
}

constexpr Index side = 300;
const Box plane{{0, 0, 0}, {1, side, side}};

/// Largest distance between two transforms over the corners of the plane.
double distance(const Affine& a, const Affine& b) {
  double worst = 0;
  for (const double y : {0.0, double{side}})
    for (const double x : {0.0, double{side}})
      worst = std::max(worst, std::hypot(a.y(y, x) - b.y(y, x), a.x(y, x) - b.x(y, x)));
  return worst;
}

Result align_with(const Affine& truth) {
  Settings settings;
  settings.max_features = 700;
  const Array fixed = section_of(plane, Affine{}), moving = section_of(plane, truth);
  return align({fixed.view<std::uint8_t>(), {}}, {moving.view<std::uint8_t>(), {}}, settings);
}

TEST(CoarseAlign, FindsAnyTurnAndShift) {
  const Affine truth = turned(143, 1.0, 199.5, 340);
  const Result r = align_with(truth);
  ASSERT_TRUE(r.found);
  EXPECT_FALSE(r.flipped);
  EXPECT_LT(distance(r.to_fixed, truth), 2.0);
  EXPECT_GT(r.confidence, 0.3);
}

TEST(CoarseAlign, FindsHalfATurn) {
  const Affine truth = turned(180, 1, side - 1, side - 1);
  const Result r = align_with(truth);
  ASSERT_TRUE(r.found);
  EXPECT_LT(distance(r.to_fixed, truth), 1.0);
}

TEST(CoarseAlign, FindsAScaleAndASection) {
  const Affine truth = turned(20, 1.2, -60, 20);
  const Result r = align_with(truth);
  ASSERT_TRUE(r.found);
  EXPECT_LT(distance(r.to_fixed, truth), 2.0);
}

TEST(CoarseAlign, SeesThatASectionWasTurnedOver) {
  const Affine truth = turned(0, 1, 12, side - 20, true);
  const Result r = align_with(truth);
  ASSERT_TRUE(r.found);
  EXPECT_TRUE(r.flipped);
  EXPECT_LT(r.to_fixed.determinant(), 0);
  EXPECT_LT(distance(r.to_fixed, truth), 1.0);
}

// Three pixels of the full resolution are no affine transform for such sections.
TEST(CoarseAlign, FindsASectionThatBends) {
  const Box large{{0, 0, 0}, {1, 640, 640}};
  const Affine truth = turned(25, 1.03, -40, 130);
  const Array fixed = section_of(large, Affine{});
  Array moving{DType::u8, large};
  const auto view = moving.view<std::uint8_t>();
  const Texture texture;
  large.for_each([&](Coord p) {
    const auto y = static_cast<double>(p.y), x = static_cast<double>(p.x);
    const double bent_y = y + 14 * std::sin(x / 70) * std::cos(y / 95);
    const double bent_x = x + 14 * std::cos(x / 85) * std::sin(y / 75);
    const double value = texture.at(truth.y(bent_y, bent_x), truth.x(bent_y, bent_x));
    view[p] = static_cast<std::uint8_t>(std::clamp(value, 1.0, 255.0));
  });
  const Result r = align({fixed.view<std::uint8_t>(), {}}, {std::as_const(moving).view<std::uint8_t>(), {}});
  ASSERT_TRUE(r.found);
  EXPECT_LT(distance(r.to_fixed, truth), 25.0);
}

TEST(CoarseAlign, DoesNotFindWhatIsNotThere) {
  const Array fixed = section_of(plane, Affine{});
  const Array elsewhere = section_of(plane, turned(0, 1, 5000, 9000));
  Array empty{DType::u8, plane};
  const Section a{fixed.view<std::uint8_t>(), {}};
  EXPECT_FALSE(align(a, {elsewhere.view<std::uint8_t>(), {}}).found);
  const Array& nothing = empty;
  const Result r = align(a, {nothing.view<std::uint8_t>(), {}});
  EXPECT_FALSE(r.found);
  EXPECT_EQ(r.to_fixed, Affine{});
}

TEST(CoarseAlign, ReadsAbsoluteCoordinatesAndMasks) {
  // The same content on another place of the canvas, and debris that the mask takes away.
  const Box far{{0, 1000, -500}, {1, 1000 + side, -500 + side}};
  Affine from_far;
  from_far.y0 = -1000 + 7;
  from_far.x0 = 500 - 4;
  const Array fixed = section_of(plane, Affine{}), moving = section_of(far, from_far);
  Array mask{DType::u8, far};
  const auto inside = mask.view<std::uint8_t>();
  far.for_each([&](Coord p) { inside[p] = p.x < -500 + 250 ? 1 : 0; });
  const Array& mask_in = mask;
  const Result r =
      align({fixed.view<std::uint8_t>(), {}}, {moving.view<std::uint8_t>(), mask_in.view<std::uint8_t>()});
  ASSERT_TRUE(r.found);
  EXPECT_NEAR(r.to_fixed.y(1000, -500), 7, 0.5);
  EXPECT_NEAR(r.to_fixed.x(1000, -500), -4, 0.5);
}

/// Noise added to a section: what is small no longer looks alike.
void blur_detail(Array& section, std::uint64_t seed, double amplitude) {
  const auto view = section.view<std::uint8_t>();
  section.box().for_each([&](Coord p) {
    // Blobs of eight pixels.
    const auto cell = static_cast<std::uint64_t>(((p.y + 64) / 8) * 4099 + (p.x + 64) / 8);
    const double noise = static_cast<double>(mix64(cell ^ mix64(seed)) >> 11) * 0x1p-53 - 0.5;
    view[p] =
        static_cast<std::uint8_t>(std::clamp(static_cast<double>(view[p]) + amplitude * noise, 1.0, 255.0));
  });
}

/// A strip of a section, as it lies beyond a fold: where it is, and where the fixed section has it.
struct Strip {
  Affine truth = turned(3, 1, 38, -21);
  Array image = section_of(plane, truth), mask{DType::u8, plane};
  Strip() {
    blur_detail(image, 2, 150);
    const auto inside = mask.view<std::uint8_t>();
    plane.for_each([&](Coord p) { inside[p] = p.y < 90 ? 1 : 0; });
  }
  Section section() const {
    return {std::as_const(image).view<std::uint8_t>(), std::as_const(mask).view<std::uint8_t>()};
  }
};

TEST(CoarseAlign, AStripThatWasMovedALittleIsFoundNearby) {
  const Strip strip;
  Array fixed = section_of(plane, Affine{});
  blur_detail(fixed, 1, 150);
  const Section whole{std::as_const(fixed).view<std::uint8_t>(), {}};
  Settings settings;
  settings.flips = false;
  settings.max_scale = 1.05;
  ASSERT_FALSE(align(whole, strip.section(), settings).found) << "nothing is shown by it";
  const Result r = align_nearby(whole, strip.section(), settings);
  ASSERT_TRUE(r.found);
  for (const double x : {20.0, 280.0})
    EXPECT_LT(
        std::hypot(r.to_fixed.y(45, x) - strip.truth.y(45, x), r.to_fixed.x(45, x) - strip.truth.x(45, x)),
        10);
}

TEST(CoarseAlign, NothingIsNearbyWhereItIsNot) {
  const Strip strip;
  for (const double far : {3000.0, 4000.0, 5000.0, 6000.0}) {
    const Array fixed = section_of(plane, turned(0, 1, far, 2 * far));
    EXPECT_FALSE(align_nearby({fixed.view<std::uint8_t>(), {}}, strip.section()).found) << far;
  }
  // Stripes are as much alike at many places.
  Array stripes{DType::u8, plane};
  const auto view = stripes.view<std::uint8_t>();
  plane.for_each([&](Coord p) { view[p] = (p.y / 9 + p.x / 9) % 2 == 0 ? 60 : 190; });
  const Section whole{std::as_const(stripes).view<std::uint8_t>(), {}};
  EXPECT_FALSE(align_nearby(whole, {whole.image, strip.section().mask}).found);
}

// What was computed of a section for one pair serves another.
TEST(CoarseAlign, SectionsOfSeveralPairsLieAsEachPairAlone) {
  Settings settings;
  settings.max_features = 700;
  const std::vector<Affine> truth{Affine{}, turned(0, 1, 3, -5), turned(10, 1, -20, 30),
                                  turned(0, 1, 12, side - 20, true)};
  std::vector<Array> images;
  for (const Affine& t : truth) images.push_back(section_of(plane, t));
  std::vector<Section> sections;
  for (const Array& image : images) sections.push_back({image.view<std::uint8_t>(), {}});
  std::vector<std::unique_ptr<Sought>> shared;
  for (const Section& section : sections) shared.push_back(std::make_unique<Sought>(section));
  for (const auto& [f, m] : {std::pair{0U, 1U}, {0U, 2U}, {2U, 1U}, {0U, 3U}}) {
    const Result together = align(*shared[f], *shared[m], settings),
                 alone = align(sections[f], sections[m], settings);
    ASSERT_TRUE(alone.found) << f << ' ' << m;
    EXPECT_EQ(together.to_fixed, alone.to_fixed) << f << ' ' << m;
    EXPECT_EQ(together.inliers, alone.inliers) << f << ' ' << m;
    EXPECT_EQ(likeness(*shared[f], *shared[m], alone.to_fixed, settings),
              likeness(sections[f], sections[m], alone.to_fixed, settings));
  }
}

TEST(CoarseAlign, RefusesAStack) {
  const Array two{DType::u8, Box{{0, 0, 0}, {2, 32, 32}}};
  const Section s{two.view<std::uint8_t>(), {}};
  EXPECT_THROW(align(s, s), Error);
}

TEST(CoarseAlign, AffinesComposeAndInvert) {
  const Affine a = turned(31, 1.1, 3, -8), b = turned(-77, 0.9, 100, 4);
  EXPECT_LT(distance(a.inverse().after(a), Affine{}), 1e-9);
  EXPECT_LT(
      distance(a.after(b), Affine{a.yy * b.yy + a.yx * b.xy, a.yy * b.yx + a.yx * b.xx, a.y(b.y0, b.x0),
                                  a.xy * b.yy + a.xx * b.xy, a.xy * b.yx + a.xx * b.xx, a.x(b.y0, b.x0)}),
      1e-9);
}

}  // namespace
}  // namespace petavox::coarse_align
