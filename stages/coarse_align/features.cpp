#include "stages/coarse_align/features.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace petavox::coarse_align {
namespace {

constexpr double pi = std::numbers::pi;
constexpr int orientation_bins = 36, cells = 4, directions = 8;

struct Gradient {
  double size = 0, angle = 0;
};

Gradient gradient_at(const Plane& g, Index y, Index x) {
  const double dy = static_cast<double>(g.at(y + 1, x) - g.at(y - 1, x));
  const double dx = static_cast<double>(g.at(y, x + 1) - g.at(y, x - 1));
  return {std::sqrt(dy * dy + dx * dx), angle_of(dy, dx)};
}

/// The strongest directions of the gradients round a point; a second one if it is nearly as strong.
std::vector<double> orientations(const Plane& g, double y, double x, double sigma) {
  std::array<double, orientation_bins> histogram{};
  const double width = 1.5 * sigma;
  const auto radius = static_cast<Index>(3 * width);
  const auto cy = static_cast<Index>(y + 0.5), cx = static_cast<Index>(x + 0.5);
  for (Index py = std::max<Index>(1, cy - radius); py <= std::min(g.height - 2, cy + radius); ++py)
    for (Index px = std::max<Index>(1, cx - radius); px <= std::min(g.width - 2, cx + radius); ++px) {
      const double dy = static_cast<double>(py) - y, dx = static_cast<double>(px) - x;
      const double distance = (dy * dy + dx * dx) / (2 * width * width);
      if (distance > 4.5) continue;
      const Gradient gradient = gradient_at(g, py, px);
      const double position = gradient.angle * orientation_bins / (2 * pi);
      const auto bin = static_cast<std::size_t>(position) % orientation_bins;
      histogram[bin] += gradient.size * boundary::exp_of_minus(distance);
    }
  for (int pass = 0; pass < 3; ++pass) {
    const auto before = histogram;
    for (std::size_t i = 0; i < orientation_bins; ++i)
      histogram[i] = (before[(i + orientation_bins - 1) % orientation_bins] + before[i] +
                      before[(i + 1) % orientation_bins]) /
                     3;
  }
  const double most = *std::ranges::max_element(histogram);
  std::vector<double> found;
  for (std::size_t i = 0; i < orientation_bins && most > 0; ++i) {
    const double low = histogram[(i + orientation_bins - 1) % orientation_bins];
    const double high = histogram[(i + 1) % orientation_bins];
    if (histogram[i] < 0.8 * most || histogram[i] <= low || histogram[i] < high) continue;
    const double shift = 0.5 * (low - high) / (low - 2 * histogram[i] + high);
    double angle = (static_cast<double>(i) + 0.5 + shift) * 2 * pi / orientation_bins;
    if (angle < 0) angle += 2 * pi;
    if (angle >= 2 * pi) angle -= 2 * pi;
    found.push_back(angle);
  }
  if (found.size() > 2) found.resize(2);
  return found;
}

using Histogram = std::array<double, static_cast<std::size_t>(cells* cells* directions)>;

/// Shares a gradient between the neighbouring cells and directions.
void add(Histogram& histogram, double cell_y, double cell_x, double direction, double size) {
  const double fy = std::floor(cell_y), fx = std::floor(cell_x), fd = std::floor(direction);
  for (int i = 0; i < 8; ++i) {
    const int oy = i & 1, ox = (i >> 1) & 1, od = i >> 2;
    const int y = static_cast<int>(fy) + oy, x = static_cast<int>(fx) + ox;
    if (y < 0 || y >= cells || x < 0 || x >= cells) continue;
    const int d = (static_cast<int>(fd) + od) % directions;
    const double wy = oy != 0 ? cell_y - fy : 1 - (cell_y - fy);
    const double wx = ox != 0 ? cell_x - fx : 1 - (cell_x - fx);
    const double wd = od != 0 ? direction - fd : 1 - (direction - fd);
    histogram[static_cast<std::size_t>((y * cells + x) * directions + d)] += size * wy * wx * wd;
  }
}

Descriptor quantised(Histogram histogram) {
  const auto length = [&] {
    double sum = 0;
    for (const double v : histogram) sum += v * v;
    return std::sqrt(sum);
  };
  double scale = length();
  if (scale > 0)
    for (double& v : histogram) v = std::min(0.2, v / scale);
  scale = length();
  Descriptor descriptor{};
  for (std::size_t i = 0; scale > 0 && i < histogram.size(); ++i)
    descriptor[i] = static_cast<std::uint8_t>(std::min(255.0, std::floor(512 * histogram[i] / scale + 0.5)));
  return descriptor;
}

Descriptor describe(const Plane& g, double y, double x, double sigma, double angle) {
  Histogram histogram{};
  const Direction turn = direction_of(angle);
  const double cell = 3 * sigma;
  const auto radius = static_cast<Index>(cell * 1.4142135623730951 * (cells + 1) / 2 + 0.5);
  const auto cy = static_cast<Index>(y + 0.5), cx = static_cast<Index>(x + 0.5);
  for (Index py = std::max<Index>(1, cy - radius); py <= std::min(g.height - 2, cy + radius); ++py)
    for (Index px = std::max<Index>(1, cx - radius); px <= std::min(g.width - 2, cx + radius); ++px) {
      const double dy = static_cast<double>(py) - y, dx = static_cast<double>(px) - x;
      const double along = (turn.cosine * dx + turn.sine * dy) / cell;
      const double across = (turn.cosine * dy - turn.sine * dx) / cell;
      const double cell_y = across + cells / 2.0 - 0.5, cell_x = along + cells / 2.0 - 0.5;
      if (cell_y <= -1 || cell_y >= cells || cell_x <= -1 || cell_x >= cells) continue;
      const Gradient gradient = gradient_at(g, py, px);
      double relative = gradient.angle - angle;
      if (relative < 0) relative += 2 * pi;
      const double weight = boundary::exp_of_minus((along * along + across * across) / (cells * cells / 2.0));
      add(histogram, cell_y, cell_x, relative * directions / (2 * pi), gradient.size * weight);
    }
  return quantised(histogram);
}

/// Strong blobs first, but so that each part of the image keeps its share: a quarter of the places go by
/// strength alone, the others in turns over a grid of 8 x 8 parts. No octave takes more than half of them:
/// fine detail is plentiful, but it may not last from one section to the next.
std::vector<Blob> chosen(std::vector<Blob> blobs, const Plane& image, std::size_t count) {
  std::ranges::stable_sort(blobs,
                           [](const Blob& a, const Blob& b) { return a.point.strength > b.point.strength; });
  if (blobs.size() <= count) return blobs;
  constexpr Index parts = 8;
  std::vector<std::size_t> rank_in_part(blobs.size());
  std::array<std::size_t, parts * parts> seen{};
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    const auto py = std::min(parts - 1, static_cast<Index>(blobs[i].point.y) * parts / image.height);
    const auto px = std::min(parts - 1, static_cast<Index>(blobs[i].point.x) * parts / image.width);
    rank_in_part[i] = i < count / 4 ? 0 : seen[static_cast<std::size_t>(py * parts + px)]++;
  }
  std::vector<std::size_t> order(blobs.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return rank_in_part[a] < rank_in_part[b]; });
  std::vector<Blob> kept;
  std::vector<std::size_t> of_octave;
  for (const std::size_t i : order) {
    const Blob& blob = blobs[i];
    if (of_octave.size() <= blob.octave) of_octave.resize(blob.octave + 1);
    if (of_octave[blob.octave] >= count / 2) continue;
    ++of_octave[blob.octave];
    kept.push_back(blob);
    if (kept.size() == count) break;
  }
  return kept;
}

}  // namespace

Features features_of(const Plane& image, const Plane& inside, int max_features, bool doubled_first) {
  const std::vector<Octave> octaves = scale_space(image, doubled_first);
  Features features;
  for (const Blob& blob :
       chosen(find_blobs(octaves, inside), image, static_cast<std::size_t>(max_features))) {
    const Octave& octave = octaves[blob.octave];
    const Plane& g = octave.gaussians[blob.level];
    const double y = blob.point.y / octave.pixel, x = blob.point.x / octave.pixel;
    const double sigma = blob.point.scale / octave.pixel;
    for (const double angle : orientations(g, y, x, sigma)) {
      features.points.push_back(blob.point);
      features.points.back().angle = angle;
      features.descriptors.push_back(describe(g, y, x, sigma, angle));
    }
  }
  return features;
}

}  // namespace petavox::coarse_align
