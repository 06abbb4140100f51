#include "stages/coarse_align/rotations.hpp"

#include "stages/fft/fft2d.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace petavox::coarse_align {
namespace {

constexpr Index search_extent = 160;  // pixels of the larger image in the search
constexpr int turns = 90;             // poses of a full turn: 4 degrees each
constexpr double scale_step = 1.08;

/// Means over factor x factor pixels.
Plane shrunk(const Plane& plane, Index factor) {
  Plane out{ceil_div(plane.height, factor), ceil_div(plane.width, factor)};
  const float share = 1.0F / static_cast<float>(factor * factor);
  for (Index y = 0; y < plane.height; ++y)
    for (Index x = 0; x < plane.width; ++x) out.at(y / factor, x / factor) += share * plane.at(y, x);
  return out;
}

struct Pose {
  int turn = 0, scale = 0;
  float score = 0;
  Affine transform;
};

/// Turned and scaled about the middles of both images, without a shift.
Affine centred(const Plane& from, const Plane& to, double scale, const Direction& d) {
  Affine t;
  t.yy = t.xx = scale * d.cosine;
  t.yx = scale * d.sine;
  t.xy = -scale * d.sine;
  const auto middle = [](Index n) { return static_cast<double>(n - 1) / 2; };
  t.y0 = middle(to.height) - (t.yy * middle(from.height) + t.yx * middle(from.width));
  t.x0 = middle(to.width) - (t.xy * middle(from.height) + t.xx * middle(from.width));
  return t;
}

class Correlator {
 public:
  Correlator(const Plane& fixed, Index reach)
      : fft_{fast_fft_size(static_cast<std::size_t>(fixed.height + reach)),
             fast_fft_size(static_cast<std::size_t>(fixed.width + reach))},
        canvas_{static_cast<Index>(fft_.height()), static_cast<Index>(fft_.width())} {
    put(fixed, fixed_);
  }

  /// The best shift of an image on the canvas of the fixed one, and its score: the height of the peak over
  /// the energy of the image.
  Pose best_shift(const Plane& turned) {
    put(turned, turned_);
    double energy = 0;
    for (const float v : turned.values) energy += static_cast<double>(v) * static_cast<double>(v);
    correlate_spectra(turned_, fixed_, product_);
    fft_.inverse(product_, plane_);
    const std::span<const float> plane{plane_.data(), plane_.size()};
    const auto peak = static_cast<Index>(std::ranges::max_element(plane) - plane.begin());
    Index y = peak / canvas_.width, x = peak % canvas_.width;
    if (y > canvas_.height / 2) y -= canvas_.height;
    if (x > canvas_.width / 2) x -= canvas_.width;
    Pose pose;
    const auto height = static_cast<double>(plane[static_cast<std::size_t>(peak)]);
    pose.score = energy > 0 ? static_cast<float>(height / std::sqrt(energy)) : 0.0F;
    pose.transform.y0 = static_cast<double>(y);
    pose.transform.x0 = static_cast<double>(x);
    return pose;
  }

 private:
  void put(const Plane& image, AlignedFloats& spectrum) {
    std::fill_n(plane_.data(), plane_.size(), 0.0F);
    const Index height = std::min(image.height, canvas_.height), width = std::min(image.width, canvas_.width);
    for (Index y = 0; y < height; ++y) std::copy_n(image.row(y), width, plane_.data() + y * canvas_.width);
    fft_.forward(plane_, spectrum);
  }

  Fft2D fft_;
  Plane canvas_;
  AlignedFloats plane_{fft_.num_reals()}, fixed_{fft_.num_spectrum()}, turned_{fft_.num_spectrum()},
      product_{fft_.num_spectrum()};
};

}  // namespace

std::vector<Affine> likely_poses(const Plane& fixed_full, const Plane& moving_full, double max_scale,
                                 std::size_t count) {
  const Index extent = std::max({fixed_full.height, fixed_full.width, moving_full.height, moving_full.width});
  const Index factor = ceil_div(extent, search_extent);
  const Plane fixed = shrunk(fixed_full, factor), moving = shrunk(moving_full, factor);
  const auto diagonal = static_cast<Index>(
      max_scale *
      std::sqrt(static_cast<double>(moving.height * moving.height + moving.width * moving.width)));
  Correlator correlator{fixed, diagonal};
  Plane turned{diagonal, diagonal};

  int steps = 0;
  for (double s = scale_step; s <= max_scale; s *= scale_step) ++steps;
  std::vector<Pose> poses;
  for (int turn = 0; turn < turns; ++turn) {
    const Direction direction = direction_of(turn * 2 * std::numbers::pi / turns);
    for (int step = -steps; step <= steps; ++step) {
      double scale = 1;
      for (int i = 0; i < std::abs(step); ++i) scale *= scale_step;
      const Affine onto = centred(moving, turned, step < 0 ? 1 / scale : scale, direction);
      const Affine back = onto.inverse();
      for (Index y = 0; y < turned.height; ++y)
        for (Index x = 0; x < turned.width; ++x) {
          const auto fy = static_cast<double>(y), fx = static_cast<double>(x);
          turned.at(y, x) = sample(moving, back.y(fy, fx), back.x(fy, fx));
        }
      Pose pose = correlator.best_shift(turned);
      pose.turn = turn;
      pose.scale = step;
      pose.transform = pose.transform.after(onto);
      poses.push_back(pose);
    }
  }
  std::ranges::stable_sort(poses, [](const Pose& a, const Pose& b) { return a.score > b.score; });

  // Back to full pixels: the centre of a coarse pixel is (factor - 1) / 2 from its first one.
  Affine enlarge;
  enlarge.yy = enlarge.xx = static_cast<double>(factor);
  enlarge.y0 = enlarge.x0 = static_cast<double>(factor - 1) / 2;
  std::vector<Pose> kept;
  std::vector<Affine> transforms;
  for (const Pose& pose : poses) {
    if (kept.size() == count) break;
    const bool near = std::ranges::any_of(kept, [&](const Pose& k) {
      const int apart = std::abs(k.turn - pose.turn);
      return std::min(apart, turns - apart) <= 2 && std::abs(k.scale - pose.scale) <= 1;
    });
    if (near) continue;
    kept.push_back(pose);
    transforms.push_back(enlarge.after(pose.transform.after(enlarge.inverse())));
  }
  return transforms;
}

}  // namespace petavox::coarse_align
