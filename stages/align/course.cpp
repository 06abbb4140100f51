#include "stages/align/course.hpp"

#include "stages/align/affine_course.hpp"
#include "stages/align/field.hpp"
#include "stages/align/lines.hpp"
#include "stages/coarse_align/plane.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace petavox::align {
namespace {

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

/// Sections that do not speak lie between their neighbours that do.
void bridge(std::vector<double>& values, Index sections, Index columns, const std::vector<Index>& speak) {
  const auto at = [&](Index z, Index c) -> double& {
    return values[static_cast<std::size_t>(z * columns + c)];
  };
  for (Index z = 0; z < sections; ++z) {
    const auto next = std::ranges::lower_bound(speak, z);
    const Index high = next == speak.end() ? speak.back() : *next;
    const Index low = next == speak.begin() ? speak.front() : *(next - 1);
    if (high == z) continue;
    const double t = high == low ? 0 : static_cast<double>(z - low) / static_cast<double>(high - low);
    for (Index c = 0; c < columns; ++c) at(z, c) = at(low, c) + t * (at(high, c) - at(low, c));
  }
}

}  // namespace

std::optional<std::vector<double>> course_shown(const std::vector<double>& values, Index sections,
                                                Index columns, double least,
                                                const std::vector<double>& weights) {
  std::vector<Index> speak;
  for (Index z = 0; z < sections; ++z)
    if (weights[static_cast<std::size_t>(z)] > 0) speak.push_back(z);
  if (static_cast<Index>(speak.size()) < enough_for_course) return std::nullopt;
  std::vector<double> limited = values;
  bridge(limited, sections, columns, speak);
  limit_steps(limited, sections, columns, least);
  const auto at = [&](const std::vector<double>& v, Index z, Index c) {
    return v[static_cast<std::size_t>(z * columns + c)];
  };
  const auto n = static_cast<double>(speak.size());
  double of_straight = 0;
  for (Index c = 0; c < columns; ++c) {
    double mean = 0;
    for (const Index z : speak) mean += at(limited, z, c) / n;
    for (const Index z : speak) of_straight += (at(limited, z, c) - mean) * (at(limited, z, c) - mean);
  }
  constexpr double shortest = 8;
  std::vector<double> best;
  double least_score = 0, of_best = 0, degrees_of_best = 0;
  for (double length = shortest; length < 2 * n; length *= std::numbers::sqrt2) {
    std::vector<double> slow = slow_part(limited, sections, columns, length, weights);
    const double degrees = freedom(static_cast<Index>(speak.size()), length);
    double left = 0;
    for (const Index z : speak)
      for (Index c = 0; c < columns; ++c) {
        const double d = at(limited, z, c) - at(slow, z, c);
        left += d * d;
      }
    const double score = left / ((n - degrees) * (n - degrees));
    if (best.empty() || score < least_score) {
      least_score = score;
      of_best = left;
      degrees_of_best = degrees;
      best = std::move(slow);
    }
  }
  // Of independent errors the ratio exceeds this in one stack of fifty, the best of all lengths taken.
  constexpr double by_chance = 7;
  const bool shown = (of_straight - of_best) * (n - degrees_of_best) >
                     by_chance * std::max(1.0, degrees_of_best - 1) * of_best;
  if (!shown) return std::nullopt;
  return best;
}

Placement affine_of_field(View<const std::int32_t> field, Index z, Index spacing, const Placement& placement,
                          const Box& source) {
  const Box& box = field.box();
  const auto centre = [](Index a, Index b) { return 0.5 * static_cast<double>(a + b - 1); };
  const double cy = centre(box.begin.y, box.end.y), cx = centre(box.begin.x, box.end.x);
  const auto s = static_cast<double>(spacing);
  const auto within = [](double v, Index low, Index high) {
    return v >= static_cast<double>(low) && v <= static_cast<double>(high - 1);
  };
  double n = 0, y = 0, x = 0, dy = 0, dx = 0;  // sums, seen from the middle of the lattice
  double yy = 0, yx = 0, xx = 0, ydy = 0, ydx = 0, xdy = 0, xdx = 0;
  for (Index j = box.begin.y; j < box.end.y; ++j)
    for (Index i = box.begin.x; i < box.end.x; ++i) {
      const Vec2 d = (1 / field_units_per_px) * Vec2{static_cast<double>(field.at(0, {z, j, i})),
                                                     static_cast<double>(field.at(1, {z, j, i}))};
      const Vec2 shown = source_of(placement, Vec2{node_centre(j, spacing), node_centre(i, spacing)} + d);
      // What the field does where nothing is shown is made up.
      if (!within(shown.y, source.begin.y, source.end.y) || !within(shown.x, source.begin.x, source.end.x))
        continue;
      const double py = s * (static_cast<double>(j) - cy), px = s * (static_cast<double>(i) - cx);
      n += 1;
      y += py;
      x += px;
      dy += d.y;
      dx += d.x;
      yy += py * py;
      yx += py * px;
      xx += px * px;
      ydy += py * d.y;
      ydx += py * d.x;
      xdy += px * d.y;
      xdx += px * d.x;
    }
  if (n < 3) return {};
  yy -= y * y / n;
  yx -= y * x / n;
  xx -= x * x / n;
  ydy -= y * dy / n;
  ydx -= y * dx / n;
  xdy -= x * dy / n;
  xdx -= x * dx / n;
  const double determinant = yy * xx - yx * yx;
  if (!(determinant > 1e-6 * (yy + xx) * (yy + xx))) return {};  // the nodes lie on a line
  Placement fit;
  fit.yy += (ydy * xx - xdy * yx) / determinant;
  fit.yx += (xdy * yy - ydy * yx) / determinant;
  fit.xy += (ydx * xx - xdx * yx) / determinant;
  fit.xx += (xdx * yy - ydx * yx) / determinant;
  if (!(fit.determinant() > 0.25)) return {};
  // The mean place goes to the mean displaced place.
  const double my = s * cy + 0.5 * (s - 1) + y / n, mx = s * cx + 0.5 * (s - 1) + x / n;
  fit.y0 = my + dy / n - (fit.yy * my + fit.yx * mx);
  fit.x0 = mx + dx / n - (fit.xy * my + fit.xx * mx);
  return fit;
}

Wholes wholes_of(View<const std::int64_t> placements, const std::vector<Placement>& field,
                 const Box& sections, Vec2 middle, double radius_px) {
  std::vector<Placement> both;
  std::vector<double> weights;
  for (Index z = sections.begin.z; z < sections.end.z; ++z) {
    const Coord at{z, 0, 0};
    both.push_back(coarse_align::load_affine(placements, at)
                       .after(field[static_cast<std::size_t>(z - sections.begin.z)]));
    weights.push_back(placements.at(coarse_align::placement_bad, at) == 0 ? 1 : 0);
  }
  Wholes wholes{field, affine_course(both, std::move(weights), middle, radius_px, Course::changes)};
  for (Placement& c : wholes.course) c = c.inverse();
  return wholes;
}

void limit_steps(std::vector<double>& values, Index sections, Index columns, double least) {
  constexpr double deviations = 3, deviation_of_median = 1.4826;
  std::vector<double> steps, off;
  for (Index c = 0; c < columns; ++c) {
    const auto at = [&](Index z) -> double& { return values[static_cast<std::size_t>(z * columns + c)]; };
    steps.clear();
    off.clear();
    for (Index z = 1; z < sections; ++z) steps.push_back(at(z) - at(z - 1));
    const double middle = coarse_align::median(steps);
    for (const double step : steps) off.push_back(std::abs(step - middle));
    const double limit = deviations * std::max(least, deviation_of_median * coarse_align::median(off));
    for (Index z = 1; z < sections; ++z)
      at(z) = at(z - 1) + std::clamp(steps[static_cast<std::size_t>(z - 1)], middle - limit, middle + limit);
  }
}

std::vector<double> slow_part(std::vector<double> values, Index sections, Index columns, double length,
                              const std::vector<double>& weights) {
  const double w = length * length * length * length;
  Lines lines{sections, columns, 2};
  for (Index z = 0; z < sections; ++z) {
    const double weight = weights[static_cast<std::size_t>(z)];
    for (Index c = 0; c < columns; ++c) {
      values[static_cast<std::size_t>(z * columns + c)] *= weight;
      lines.add_diagonal(z, c, weight);
      if (z < 2) continue;
      // (a - 2 b + c)^2 = 2 (a - b)^2 + 2 (c - b)^2 - (a - c)^2
      lines.couple(z, 1, c, 2 * w);
      lines.couple(z - 1, 1, c, 2 * w);
      lines.couple(z, 2, c, -w);
    }
  }
  lines.factor();
  lines.solve(values);
  return values;
}

Index course_reach(Index spacing) {
  return static_cast<Index>(std::ceil(max_course_px / static_cast<double>(spacing))) + field_reach + 1;
}

void keep_course(const Array& field, Index spacing, double length, Array& out, const Wholes& wholes) {
  const Box& held = field.box();
  const Index sections = held.shape().z, columns = held.shape().y * held.shape().x;
  const auto from = field.view<std::int32_t>();
  if (!(length > 0) || sections < enough_for_course) {
    const auto to = out.view<std::int32_t>();
    for (int c = 0; c < 2; ++c) out.box().for_each([&](Coord p) { to.at(c, p) = from.at(c, p); });
    return;
  }
  Array course{DType::i32, held, field.domain(), 2};
  const auto slow = course.view<std::int32_t>();
  const std::vector<double> weights(static_cast<std::size_t>(sections), 1.0);
  std::vector<double> ys, xs;
  const auto node = [&](Coord p) { return Vec2{node_centre(p.y, spacing), node_centre(p.x, spacing)}; };
  const auto section = [&](Index z) { return static_cast<std::size_t>(z - held.begin.z); };
  for (Index z = held.begin.z; z < held.end.z; ++z) {
    const Placement back = wholes.field.empty() ? Placement{} : wholes.field[section(z)].inverse();
    Box{{z, held.begin.y, held.begin.x}, {z + 1, held.end.y, held.end.x}}.for_each([&](Coord p) {
      Vec2 d = (1 / field_units_per_px) *
               Vec2{static_cast<double>(from.at(0, p)), static_cast<double>(from.at(1, p))};
      if (!wholes.field.empty()) d = source_of(back, node(p) + d) - node(p);
      ys.push_back(d.y);
      xs.push_back(d.x);
    });
  }
  constexpr double least_px = 0.05;
  for (std::vector<double>* values : {&ys, &xs}) {
    limit_steps(*values, sections, columns, least_px);
    *values = slow_part(std::move(*values), sections, columns, length, weights);
  }
  std::size_t i = 0;
  for (Index z = held.begin.z; z < held.end.z; ++z) {
    const Placement on = wholes.course.empty() ? Placement{} : wholes.course[section(z)];
    Box{{z, held.begin.y, held.begin.x}, {z + 1, held.end.y, held.end.x}}.for_each([&](Coord p) {
      Vec2 d{ys[i], xs[i]};
      ++i;
      if (!wholes.course.empty()) d = source_of(on, node(p) + d) - node(p);
      slow.at(0, p) = to_units(std::clamp(d.y, -max_course_px, max_course_px));
      slow.at(1, p) = to_units(std::clamp(d.x, -max_course_px, max_course_px));
    });
  }
  const auto to = out.view<std::int32_t>();
  out.box().for_each([&](Coord p) {
    const FieldSection along{std::as_const(course).view<std::int32_t>(), p.z, spacing},
        own{from, p.z, spacing};
    const Vec2 here{node_centre(p.y, spacing), node_centre(p.x, spacing)};
    // Tissue that the straight canvas shows at q belongs to q + course(q): where is q, if that is here?
    Vec2 back{};
    constexpr int iterations = 8;
    for (int i = 0; i < iterations; ++i) {
      const Vec2 course_there = along.at(here + back);
      back = {-std::clamp(course_there.y, -max_course_px, max_course_px),
              -std::clamp(course_there.x, -max_course_px, max_course_px)};
    }
    const Vec2 moved = back + own.at(here + back);
    to.at(0, p) = to_units(moved.y);
    to.at(1, p) = to_units(moved.x);
  });
}

}  // namespace petavox::align
