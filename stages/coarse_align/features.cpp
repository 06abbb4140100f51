#include "stages/coarse_align/features.hpp"

#include "stages/coarse_align/gradients.hpp"
#include "stages/coarse_align/patches.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace petavox::coarse_align {
namespace {

constexpr double pi = std::numbers::pi;
constexpr int orientation_bins = 36, cells = 4, directions = 8;

/// The gradients round a keypoint of width `sigma`.
class Surroundings {
 public:
  Surroundings(const Plane& g, double y, double x, double sigma)
      : y_{y},
        x_{x},
        sigma_{sigma},
        radius_{static_cast<Index>(cell() * 1.4142135623730951 * (cells + 1) / 2 + 0.5)},
        inside_{1, 1, g.height - 1, g.width - 1},
        held_{square(radius_)},
        width_{held_.width()},
        lengths_(static_cast<std::size_t>(std::max<Index>(0, held_.height() * width_))),
        angles_{lengths_} {
    for (Index py = held_.y0; py < held_.y1; ++py)
      gradients(g.row(py - 1) + held_.x0, g.row(py) + held_.x0, g.row(py + 1) + held_.x0, width_,
                &lengths_[at(py, held_.x0)], &angles_[at(py, held_.x0)]);
  }

  /// Pixels along a side of a cell of the descriptor.
  double cell() const { return 3 * sigma_; }
  double sigma() const { return sigma_; }
  double y() const { return y_; }
  double x() const { return x_; }
  /// All that a descriptor may hold, and, within it, the pixels up to `radius` of the keypoint.
  const Rect& held() const { return held_; }
  Rect within(Index radius) const { return held_.meet(square(radius)); }
  /// Of the pixels from here to the end of the row in held().
  const double* lengths(Index y, Index x) const { return &lengths_[at(y, x)]; }
  const double* angles(Index y, Index x) const { return &angles_[at(y, x)]; }

 private:
  Rect square(Index radius) const {
    const auto cy = static_cast<Index>(y_ + 0.5), cx = static_cast<Index>(x_ + 0.5);
    return Rect{cy, cx, cy + 1, cx + 1}.grown(radius).meet(inside_);
  }
  std::size_t at(Index y, Index x) const {
    return static_cast<std::size_t>((y - held_.y0) * width_ + x - held_.x0);
  }

  double y_, x_, sigma_;
  Index radius_;
  Rect inside_, held_;
  Index width_;
  std::vector<double> lengths_, angles_;
};

/// e^(-d^2 / (2 width^2)) for the pixels from `begin` on, d from `centre`: a Gaussian in two dimensions is
/// the product of two of these.
std::vector<double> gaussian_along(Index begin, Index end, double centre, double width) {
  std::vector<double> values;
  for (Index i = begin; i < end; ++i) {
    const double d = static_cast<double>(i) - centre;
    values.push_back(boundary::exp_of_minus(d * d / (2 * width * width)));
  }
  return values;
}

/// The strongest directions of the gradients round a point; a second one if it is nearly as strong.
std::vector<double> orientations(const Surroundings& round) {
  std::array<double, orientation_bins> histogram{};
  const double width = 1.5 * round.sigma();
  const Rect near = round.within(static_cast<Index>(3 * width));
  const std::vector<double> by_y = gaussian_along(near.y0, near.y1, round.y(), width),
                            by_x = gaussian_along(near.x0, near.x1, round.x(), width);
  for (Index py = near.y0; py < near.y1; ++py) {
    const double *const lengths = round.lengths(py, near.x0), *const angles = round.angles(py, near.x0);
    const double dy = static_cast<double>(py) - round.y(),
                 weight = by_y[static_cast<std::size_t>(py - near.y0)];
    for (Index px = near.x0; px < near.x1; ++px) {
      const double dx = static_cast<double>(px) - round.x();
      if ((dy * dy + dx * dx) / (2 * width * width) > 4.5) continue;
      const auto i = static_cast<std::size_t>(px - near.x0);
      const auto bin = static_cast<std::size_t>(angles[i] * orientation_bins / (2 * pi)) % orientation_bins;
      histogram[bin] += lengths[i] * (weight * by_x[i]);
    }
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

/// Cells of a descriptor, with a rim of one more, where what falls outside goes.
class CellHistogram {
 public:
  /// Shares a gradient between the neighbouring cells and directions; cell_y and cell_x lie in (-1, cells).
  void add(double cell_y, double cell_x, double direction, double size) {
    const int y = floored(cell_y), x = floored(cell_x), d = static_cast<int>(direction);
    const double ry = cell_y - y, rx = cell_x - x, rd = direction - d;
    double* const first = &sums_[static_cast<std::size_t>(((y + 1) * side + x + 1) * directions)];
    const int low = d % directions, high = (d + 1) % directions;
    const auto share = [&](double* to, double part) {
      to[low] += part * (1 - rd);
      to[high] += part * rd;
    };
    const double above = size * (1 - ry), below = size * ry;
    share(first, above * (1 - rx));
    share(first + directions, above * rx);
    share(first + side * directions, below * (1 - rx));
    share(first + (side + 1) * directions, below * rx);
  }
  Histogram inner() const {
    Histogram out{};
    for (int y = 0; y < cells; ++y)
      std::copy_n(&sums_[static_cast<std::size_t>(((y + 1) * side + 1) * directions)], cells * directions,
                  &out[static_cast<std::size_t>(y * cells * directions)]);
    return out;
  }

 private:
  static constexpr int side = cells + 2;
  static int floored(double v) {
    const int toward_zero = static_cast<int>(v);
    return toward_zero - (v < toward_zero ? 1 : 0);
  }
  std::array<double, static_cast<std::size_t>(side* side* directions)> sums_{};
};

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

Descriptor describe(const Surroundings& round, double angle) {
  CellHistogram histogram;
  const Direction turn = direction_of(angle);
  const TurnedGrid grid{round.y(),   round.x(),    angle,       turn.sine,
                        turn.cosine, round.cell(), cells / 2.0, directions};
  const Rect& held = round.held();
  // Of half the extent of the cells, however they are turned.
  const double width = cells / 2.0 * round.cell();
  const std::vector<double> by_y = gaussian_along(held.y0, held.y1, round.y(), width),
                            by_x = gaussian_along(held.x0, held.x1, round.x(), width);
  std::vector<double> cell_y(by_x.size()), cell_x(by_x.size()), direction(by_x.size());
  for (Index py = held.y0; py < held.y1; ++py) {
    const double* const lengths = round.lengths(py, held.x0);
    lay_on_grid(grid, py, held.x0, round.angles(py, held.x0), held.width(), cell_y.data(), cell_x.data(),
                direction.data());
    const double weight = by_y[static_cast<std::size_t>(py - held.y0)];
    for (std::size_t i = 0; i < by_x.size(); ++i)
      if (cell_y[i] > -1 && cell_y[i] < cells && cell_x[i] > -1 && cell_x[i] < cells)
        histogram.add(cell_y[i], cell_x[i], direction[i], lengths[i] * (weight * by_x[i]));
  }
  return quantised(histogram.inner());
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
    const Surroundings round{g, y, x, blob.point.scale / octave.pixel};
    for (const double angle : orientations(round)) {
      features.points.push_back(blob.point);
      features.points.back().angle = angle;
      features.descriptors.push_back(describe(round, angle));
    }
  }
  return features;
}

}  // namespace petavox::coarse_align
