#include "stages/place_sections/course.hpp"

#include "stages/align/course.hpp"
#include "stages/coarse_align/plane.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace petavox::place_sections {
namespace {

/// Some numbers of each section, section by section.
struct Series {
  Index sections = 0, columns = 0;
  std::vector<double> values;
  double& at(Index z, Index c) { return values[static_cast<std::size_t>(z * columns + c)]; }
  double at(Index z, Index c) const { return values[static_cast<std::size_t>(z * columns + c)]; }
};

/// Degrees of freedom of slow_part() over n sections: the sum of what it leaves of each cosine.
double freedom(Index n, double length) {
  double sum = 0;
  for (Index k = 0; k < n; ++k) {
    const double s =
        2 * length *
        coarse_align::direction_of(std::numbers::pi * static_cast<double>(k) / static_cast<double>(2 * n))
            .sine;
    sum += 1 / (1 + s * s * s * s);
  }
  return sum;
}

std::vector<Index> speaking(const std::vector<double>& weights) {
  std::vector<Index> sections;
  for (std::size_t z = 0; z < weights.size(); ++z)
    if (weights[z] > 0) sections.push_back(static_cast<Index>(z));
  return sections;
}

/// Sections that do not speak lie between their neighbours that do.
void bridge(Series& series, const std::vector<Index>& speak) {
  for (Index z = 0; z < series.sections; ++z) {
    const auto next = std::ranges::lower_bound(speak, z);
    const Index high = next == speak.end() ? speak.back() : *next;
    const Index low = next == speak.begin() ? speak.front() : *(next - 1);
    if (high == z) continue;
    const double t = high == low ? 0 : static_cast<double>(z - low) / static_cast<double>(high - low);
    for (Index c = 0; c < series.columns; ++c)
      series.at(z, c) = series.at(low, c) + t * (series.at(high, c) - series.at(low, c));
  }
}

/// The slow part of the series, of the length that the series themselves ask for; the median of each column
/// if no length predicts sections from their neighbours clearly better than that.
Series course_of(const Series& all, const std::vector<double>& weights, double least) {
  const std::vector<Index> speak = speaking(weights);
  Series straight{all.sections, all.columns, std::vector<double>(all.values.size())};
  for (Index c = 0; c < all.columns; ++c) {
    std::vector<double> column;
    for (const Index z : speak) column.push_back(all.at(z, c));
    const double middle = coarse_align::median(column);
    for (Index z = 0; z < all.sections; ++z) straight.at(z, c) = middle;
  }
  Series limited = all;
  bridge(limited, speak);
  align::limit_steps(limited.values, limited.sections, limited.columns, least);
  const auto n = static_cast<double>(speak.size());
  const auto score = [&](const Series& slow, double degrees) {
    double sum = 0;
    for (const Index z : speak)
      for (Index c = 0; c < all.columns; ++c) {
        const double d = limited.at(z, c) - slow.at(z, c);
        sum += d * d;
      }
    return sum * n / ((n - degrees) * (n - degrees));
  };
  constexpr double clearly = 0.9, shortest = 8;
  Series best = straight;
  double least_score = clearly * score(straight, 1);
  for (double length = shortest; length < 2 * n; length *= std::numbers::sqrt2) {
    Series slow = all;
    slow.values = align::slow_part(limited.values, all.sections, all.columns, length, weights);
    const double s = score(slow, freedom(static_cast<Index>(speak.size()), length));
    if (s < least_score) {
      least_score = s;
      best = std::move(slow);
    }
  }
  return best;
}

}  // namespace

void keep_course(std::vector<Placed>& placed, const Box& frame) {
  const auto sections = static_cast<Index>(placed.size());
  const auto middle = [](Index a, Index b) { return 0.5 * static_cast<double>(a + b - 1); };
  const double cy = middle(frame.begin.y, frame.end.y), cx = middle(frame.begin.x, frame.end.x);
  const Extent shape = frame.shape();
  const double radius = 0.25 * static_cast<double>(std::max(shape.y, shape.x));
  Series turns{sections, 4, std::vector<double>(static_cast<std::size_t>(4 * sections))};
  Series shifts{sections, 2, std::vector<double>(static_cast<std::size_t>(2 * sections))};
  std::vector<double> weights;
  for (Index z = 0; z < sections; ++z) {
    const Placed& p = placed[static_cast<std::size_t>(z)];
    const Affine& t = p.from_canvas;
    const std::array<double, 4> off{t.yy - 1, t.yx, t.xy, t.xx - 1};
    double most = 0;
    for (Index c = 0; c < 4; ++c) {
      turns.at(z, c) = radius * off[static_cast<std::size_t>(c)];
      most = std::max(most, std::abs(off[static_cast<std::size_t>(c)]));
    }
    shifts.at(z, 0) = t.y(cy, cx) - cy;
    shifts.at(z, 1) = t.x(cy, cx) - cx;
    weights.push_back(p.found && most < 0.75 ? 1 : 0);
  }
  if (std::ranges::count(weights, 1.0) < align::enough_for_course) return;
  constexpr double least_px = 0.05;
  const Series turn = course_of(turns, weights, least_px), shift = course_of(shifts, weights, least_px);
  for (Index z = 0; z < sections; ++z) {
    Affine course;
    course.yy = 1 + turn.at(z, 0) / radius;
    course.yx = turn.at(z, 1) / radius;
    course.xy = turn.at(z, 2) / radius;
    course.xx = 1 + turn.at(z, 3) / radius;
    course.y0 = cy + shift.at(z, 0) - (course.yy * cy + course.yx * cx);
    course.x0 = cx + shift.at(z, 1) - (course.xy * cy + course.xx * cx);
    Affine& t = placed[static_cast<std::size_t>(z)].from_canvas;
    if (course.determinant() > 0.25) t = t.after(course.inverse());
  }
}

}  // namespace petavox::place_sections
