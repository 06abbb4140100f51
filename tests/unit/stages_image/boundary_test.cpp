#include "stages/boundary/boundary.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"
#include "petavox/volume/digest.hpp"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using boundary::Settings;

constexpr VoxelSizeNm isotropic{10, 10, 10};

Array affinities_of(const Array& image, const Settings& settings, const VoxelSizeNm& voxel = isotropic) {
  Array out{DType::u8, image.box(), image.domain(), 3};
  boundary::affinities_of(image, out.view<std::uint8_t>(), settings, boundary::filters_of(settings, voxel));
  return out;
}

template <class Value>
Array image_of(const Box& box, const Value& value) {
  Array image{DType::u8, box};
  const auto view = image.view<std::uint8_t>();
  box.for_each([&](Coord p) { view[p] = static_cast<std::uint8_t>(value(p)); });
  return image;
}

/// The formula of the README, voxel by voxel in double precision: slow.
class Naive {
 public:
  Naive(const Array& image, const Settings& settings, const VoxelSizeNm& voxel)
      : image_{image.view<std::uint8_t>()}, settings_{settings}, voxel_{voxel} {}

  double interior(Coord p) const {
    double ridge = -1e30;
    for (const double scale : settings_.scales_nm) ridge = std::max(ridge, response(p, scale));
    const double surround = std::max(smooth(p, settings_.context_nm), settings_.context_floor);
    const double t =
        std::max(0.0, (ridge - settings_.context_weight * surround - settings_.offset) / settings_.softness);
    return 255 - 255 * t * t / (1 + t * t);
  }

 private:
  double smooth(Coord p, double sigma_nm) const {
    std::array<std::vector<double>, 3> weights;
    for (std::size_t k = 0; k < 3; ++k) {
      const double sigma = sigma_nm / voxel_[k];
      const int radius = sigma < 0.3 ? 0 : static_cast<int>(std::ceil(3 * sigma));
      double total = 0;
      for (int t = -radius; t <= radius; ++t) {
        weights[k].push_back(radius == 0 ? 1 : std::exp(-0.5 * t * t / (sigma * sigma)));
        total += weights[k].back();
      }
      for (double& w : weights[k]) w /= total;
    }
    const auto radius = [&](std::size_t k) { return static_cast<Index>(weights[k].size() / 2); };
    double sum = 0;
    for (Index z = -radius(0); z <= radius(0); ++z)
      for (Index y = -radius(1); y <= radius(1); ++y)
        for (Index x = -radius(2); x <= radius(2); ++x)
          sum += weights[0][static_cast<std::size_t>(z + radius(0))] *
                 weights[1][static_cast<std::size_t>(y + radius(1))] *
                 weights[2][static_cast<std::size_t>(x + radius(2))] *
                 (image_.clamped(p + Extent{z, y, x}) - settings_.mean);
    return (settings_.bright ? -sum : sum) / settings_.contrast;
  }

  double response(Coord p, double scale) const {
    const auto at = [&](int k, Index i, int l = 0, Index j = 0) {
      Coord q = p;
      q[k] += i;
      q[l] += j;
      return smooth(q, scale);
    };
    double h[3][3], slope = 0;
    for (int k = 0; k < 3; ++k) {
      const double wk = scale / voxel_[static_cast<std::size_t>(k)];
      h[k][k] = (at(k, 1) + at(k, -1) - 2 * at(k, 0)) * wk * wk;
      slope += std::pow((at(k, 1) - at(k, -1)) / 2 * wk, 2);
      for (int l = k + 1; l < 3; ++l) {
        const double wl = scale / voxel_[static_cast<std::size_t>(l)];
        h[k][l] = h[l][k] =
            (at(k, 1, l, 1) - at(k, 1, l, -1) - at(k, -1, l, 1) + at(k, -1, l, -1)) / 4 * wk * wl;
      }
    }
    // Power iteration on H + s I, whose greatest eigenvalue is its largest.
    double shift = 0;
    for (const auto& row : h)
      for (const double v : row) shift += std::abs(v);
    double v[3] = {0.48, 0.6, 0.64}, norm = 0;
    for (int i = 0; i < 3000; ++i) {
      double w[3];
      norm = 0;
      for (int k = 0; k < 3; ++k) {
        w[k] = shift * v[k] + h[k][0] * v[0] + h[k][1] * v[1] + h[k][2] * v[2];
        norm += w[k] * w[k];
      }
      norm = std::sqrt(norm);
      if (norm == 0) break;
      for (int k = 0; k < 3; ++k) v[k] = w[k] / norm;
    }
    return norm - shift - settings_.gradient_weight * std::sqrt(slope);
  }

  View<const std::uint8_t> image_;
  Settings settings_;
  VoxelSizeNm voxel_;
};

TEST(Boundary, IsDecompositionInvariant) {
  EXPECT_TRUE(testing::check_stage<Boundary>({{"scales_nm", "[1, 1.6]"}, {"context_nm", "2"}}));
}

TEST(Boundary, EqualsTheFormulaWithinOneStep) {
  Settings settings;
  settings.context_nm = 20;
  for (const VoxelSizeNm& voxel : {isotropic, VoxelSizeNm{50, 10, 10}}) {
    const Box box = Box::from({-3, 5, 0}, {4, 6, 7});
    const Array image = testing::random_image(DType::u8, box, 1, testing::Texture::smooth, 3);
    const Array found = affinities_of(image, settings, voxel);
    const Naive naive{image, settings, voxel};
    const auto view = found.view<std::uint8_t>();
    box.for_each([&](Coord p) {
      for (int k = 0; k < 3; ++k) {
        Coord below = p;
        --below[k];
        if (!box.contains(below)) {
          EXPECT_EQ(view.at(k, p), 0) << "beyond the domain at " << to_string(p);
          continue;
        }
        EXPECT_NEAR(view.at(k, p), (naive.interior(p) + naive.interior(below)) / 2, 1.1) << to_string(p) << k;
      }
    });
  }
}

TEST(Boundary, SeparatesAcrossADarkSheetAndNotAtAStep) {
  const Box box = Box::from({0, 0, 0}, {21, 21, 40});
  // A dark sheet two voxels thick at x = 10, a step to a dark body at x = 28.
  const Array image = image_of(box, [](Coord p) {
    return p.x == 10 || p.x == 11 ? 90 : p.x >= 28 ? 90 : 170;
  });
  const Array affinities = affinities_of(image, {});
  const auto a = affinities.view<std::uint8_t>();
  const Coord sheet{10, 10, 11};
  EXPECT_LT(a.at(2, sheet), 80);
  EXPECT_GT(a.at(2, {10, 10, 3}), 230);
  for (Index x = 25; x < 34; ++x) EXPECT_GT(a.at(2, {10, 10, x}), a.at(2, sheet) + 25) << x;
}

TEST(Boundary, BrightMembranesAreDarkOnesInTheNegative) {
  const Box box = Box::from({0, 0, 0}, {9, 10, 11});
  const Array image = testing::random_image(DType::u8, box, 1, testing::Texture::uniform, 5);
  const auto in = image.view<std::uint8_t>();
  const Array negative = image_of(box, [&](Coord p) { return 255 - in[p]; });
  Settings dark, bright;
  dark.mean = 100;
  bright.mean = 155;
  bright.bright = true;
  EXPECT_TRUE(testing::same_voxels(affinities_of(image, dark), affinities_of(negative, bright)));
}

TEST(Boundary, IsTheSameBitsOnEveryMachine) {
  const Box box = Box::from({1, 2, 3}, {24, 25, 67});
  const Array image = testing::random_image(DType::u8, box, 1, testing::Texture::uniform, 11);
  std::uint64_t hash = 0;
  const Array affinities = affinities_of(image, {});
  for (const std::byte b : affinities.bytes()) hash = mix64(hash ^ static_cast<std::uint64_t>(b));
  EXPECT_EQ(hash, 0x82d79f890b197f92ULL) << std::hex << hash;
}

TEST(Boundary, WorksOnVolumesOneVoxelThick) {
  for (const Extent shape : {Extent{1, 1, 1}, Extent{1, 30, 30}, Extent{30, 1, 30}, Extent{30, 30, 1}}) {
    const Array image{DType::u8, Box::from({0, 0, 0}, shape)};
    const Array out = affinities_of(image, {});
    const auto a = out.view<std::uint8_t>();
    if (shape.y > 1) {
      EXPECT_EQ(a.at(1, {0, 1, 0}), a.at(1, {0, shape.y - 1, 0}));
    }
    EXPECT_EQ(a.at(0, {0, 0, 0}), 0);
  }
}

TEST(Boundary, NamesTheVoxelThatIsNotANumber) {
  const Box box = Box::from({0, 0, 0}, {3, 4, 5});
  Array image{DType::f32, box};
  image.view<float>()[{1, 2, 3}] = std::numeric_limits<float>::quiet_NaN();
  try {
    affinities_of(image, {});
    FAIL() << "NaN was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::stage);
    EXPECT_NE(std::string{error.what()}.find("(1,2,3)"), std::string::npos) << error.what();
  }
}

TEST(Gaussian, MatchesTheExponential) {
  for (const double x : {0.0, 1e-9, 0.1, 0.5, 1.0, 4.5, 30.0, 699.0})
    EXPECT_NEAR(boundary::exp_of_minus(x) / std::exp(-x), 1, 1e-11) << x;
  EXPECT_EQ(boundary::exp_of_minus(1e9), 0);
}

TEST(Gaussian, SumsToOneAndIsTheIdentityWhereItCannotReachTheNextVoxel) {
  EXPECT_EQ(boundary::gaussian_taps(0.2).radius(), 0);
  for (const double sigma : {0.3, 1.0, 1.6, 4.0}) {
    const auto taps = boundary::gaussian_taps(sigma);
    double sum = 0;
    for (std::size_t t = 0; t < taps.weights.size(); ++t) sum += (t == 0 ? 1 : 2) * double{taps.weights[t]};
    EXPECT_NEAR(sum, 1, 1e-6);
    EXPECT_EQ(taps.radius(), static_cast<int>(std::ceil(3 * sigma)));
  }
}

}  // namespace
}  // namespace petavox
