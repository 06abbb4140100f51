#include "stages/coarse_align/plane.hpp"

#include "stages/boundary/rows.hpp"

#include <algorithm>
#include <numbers>

namespace petavox::coarse_align {
namespace {

using boundary::Taps;

/// Floats of a row of a strip; rows follow each other.
constexpr Index strip_width = 32;

/// A strip, its first and last row repeated as far as the taps reach, and what the filter makes of it: rows
/// follow each other, so that one sum passes over all of them. (Rows of a whole plane that are a power of two
/// apart fall on the same few lines of the cache.)
class Strip {
 public:
  Strip(const Taps& taps, Index rows)
      : taps_{taps},
        rows_{rows},
        held_(static_cast<std::size_t>((rows + 2 * taps.radius()) * strip_width), 0.0F),
        filtered_(static_cast<std::size_t>(rows * strip_width)) {
    for (Index t = 0; t <= taps.radius(); ++t) {
      low_.push_back(row(-t));
      high_.push_back(row(t));
    }
  }
  float* row(Index y) { return held_.data() + (y + taps_.radius()) * strip_width; }
  const float* filtered(Index y) const { return filtered_.data() + y * strip_width; }
  void filter() {
    for (Index t = 1; t <= taps_.radius(); ++t) {
      std::copy_n(row(0), strip_width, row(-t));
      std::copy_n(row(rows_ - 1), strip_width, row(rows_ - 1 + t));
    }
    boundary::weighted_sum(taps_.weights.data(), taps_.radius(), row(0), low_.data(), high_.data(),
                           filtered_.data(), rows_ * strip_width);
  }

 private:
  const Taps& taps_;
  Index rows_;
  std::vector<float> held_, filtered_;
  std::vector<const float*> low_, high_;
};

/// Wide filters.
void filter_rows(const Plane& in, Plane& out, const Taps& taps) {
  Strip strip{taps, in.height};
  for (Index x = 0; x < in.width; x += strip_width) {
    const Index width = std::min<Index>(strip_width, in.width - x);
    for (Index y = 0; y < in.height; ++y) std::copy_n(in.row(y) + x, width, strip.row(y));
    strip.filter();
    for (Index y = 0; y < in.height; ++y) std::copy_n(strip.filtered(y), width, out.row(y) + x);
  }
}

/// Likewise: a row of a strip holds a piece of a column, and the filter passes over as many rows at once.
void filter_columns(const Plane& in, Plane& out, const Taps& taps) {
  constexpr Index tile = 16;  // pixels that are turned at once
  Strip strip{taps, in.width};
  for (Index y = 0; y < in.height; y += strip_width) {
    const Index height = std::min<Index>(strip_width, in.height - y);
    const auto turned = [&](const auto& move) {
      for (Index begin = 0; begin < in.width; begin += tile)
        for (Index i = 0; i < height; ++i)
          for (Index x = begin; x < std::min(begin + tile, in.width); ++x) move(i, x);
    };
    turned([&](Index i, Index x) { strip.row(x)[i] = in.row(y + i)[x]; });
    strip.filter();
    turned([&](Index i, Index x) { out.row(y + i)[x] = strip.filtered(x)[i]; });
  }
}

/// Narrow filters, to which copies would cost more than what they read again.
void filter_few_rows(const Plane& in, Plane& out, const Taps& taps) {
  const auto radius = static_cast<std::size_t>(taps.radius());
  std::vector<const float*> low(radius + 1), high(radius + 1);
  for (Index y = 0; y < in.height; ++y) {
    for (std::size_t t = 1; t <= radius; ++t) {
      low[t] = in.row(std::max<Index>(0, y - static_cast<Index>(t)));
      high[t] = in.row(std::min<Index>(in.height - 1, y + static_cast<Index>(t)));
    }
    boundary::weighted_sum(taps.weights.data(), taps.radius(), in.row(y), low.data(), high.data(), out.row(y),
                           in.width);
  }
}

void filter_few_columns(const Plane& in, Plane& out, const Taps& taps) {
  const auto radius = static_cast<std::size_t>(taps.radius());
  std::vector<float> padded(static_cast<std::size_t>(in.width) + 2 * radius);
  std::vector<const float*> low(radius + 1), high(radius + 1);
  const float* const centre = padded.data() + radius;
  for (std::size_t t = 1; t <= radius; ++t) {
    low[t] = centre - t;
    high[t] = centre + t;
  }
  for (Index y = 0; y < in.height; ++y) {
    const float* const row = in.row(y);
    std::fill_n(padded.begin(), radius, row[0]);
    std::copy_n(row, in.width, padded.begin() + static_cast<std::ptrdiff_t>(radius));
    std::fill_n(padded.end() - static_cast<std::ptrdiff_t>(radius), radius, row[in.width - 1]);
    boundary::weighted_sum(taps.weights.data(), taps.radius(), centre, low.data(), high.data(), out.row(y),
                           in.width);
  }
}

}  // namespace

Plane smoothed(const Plane& plane, double sigma) {
  if (plane.values.empty()) return plane;
  constexpr int narrow = 12;  // taps on one side
  const Taps taps = boundary::gaussian_taps(sigma);
  Plane between{plane.height, plane.width}, out{plane.height, plane.width};
  const bool few = taps.radius() <= narrow;
  (few ? filter_few_rows : filter_rows)(plane, between, taps);
  (few ? filter_few_columns : filter_columns)(between, out, taps);
  return out;
}

Plane halved(const Plane& plane) {
  Plane out{plane.height / 2, plane.width / 2};
  for (Index y = 0; y < out.height; ++y)
    for (Index x = 0; x < out.width; ++x) out.at(y, x) = plane.at(2 * y, 2 * x);
  return out;
}

Plane doubled(const Plane& plane) {
  Plane out{2 * plane.height, 2 * plane.width};
  for (Index y = 0; y < plane.height; ++y)
    for (Index x = 0; x < plane.width; ++x) {
      const Index yn = std::min(y + 1, plane.height - 1), xn = std::min(x + 1, plane.width - 1);
      const float a = plane.at(y, x), b = plane.at(y, xn), c = plane.at(yn, x), d = plane.at(yn, xn);
      out.at(2 * y, 2 * x) = a;
      out.at(2 * y, 2 * x + 1) = (a + b) / 2;
      out.at(2 * y + 1, 2 * x) = (a + c) / 2;
      out.at(2 * y + 1, 2 * x + 1) = (a + b + c + d) / 4;
    }
  return out;
}

double angle_of(double y, double x) {
  constexpr double pi = std::numbers::pi;
  const double ay = y < 0 ? -y : y, ax = x < 0 ? -x : x;
  if (ay == 0 && ax == 0) return 0;
  // arctan of t in [0, 1], reduced to |u| <= tan(pi/8) by the addition theorem, then its series.
  double t = ay <= ax ? ay / ax : ax / ay;
  double base = 0;
  if (t > 0.41421356237309503) {
    base = pi / 4;
    t = (t - 1) / (t + 1);
  }
  const double s = t * t;
  const double series =
      t * (1 + s * (-1.0 / 3 +
                    s * (1.0 / 5 + s * (-1.0 / 7 + s * (1.0 / 9 + s * (-1.0 / 11 + s * (1.0 / 13)))))));
  double angle = base + series;
  if (ay > ax) angle = pi / 2 - angle;
  if (x < 0) angle = pi - angle;
  if (y < 0) angle = 2 * pi - angle;
  return angle >= 2 * pi ? 0 : angle;
}

Direction direction_of(double angle) {
  constexpr double pi = std::numbers::pi;
  while (angle > pi) angle -= 2 * pi;
  while (angle < -pi) angle += 2 * pi;
  // The series at a quarter of the angle, doubled twice.
  const double a = angle / 4, s = a * a;
  double sine = a * (1 + s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880)))));
  double cosine =
      1 + s * (-1.0 / 2 + s * (1.0 / 24 + s * (-1.0 / 720 + s * (1.0 / 40320 + s * (-1.0 / 3628800)))));
  for (int i = 0; i < 2; ++i) {
    const double twice = 2 * sine * cosine;
    cosine = cosine * cosine - sine * sine;
    sine = twice;
  }
  return {sine, cosine};
}

}  // namespace petavox::coarse_align
