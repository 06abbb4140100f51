#include "stages/align/course.hpp"

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

struct Rotation {
  Vec2 middle;
  double cosine = 1, sine = 0;
  Rotation(Vec2 about, double angle) : middle{about} {
    const auto d = coarse_align::direction_of(angle);
    cosine = d.cosine;
    sine = d.sine;
  }
  Vec2 operator()(Vec2 p) const {
    const Vec2 r = p - middle;
    return middle + Vec2{cosine * r.y - sine * r.x, sine * r.y + cosine * r.x};
  }
};

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

double turn_of_field(View<const std::int32_t> field, Index z, Index spacing) {
  const Box& box = field.box();
  const auto middle = [](Index a, Index b) { return 0.5 * static_cast<double>(a + b - 1); };
  const double cy = middle(box.begin.y, box.end.y), cx = middle(box.begin.x, box.end.x);
  const auto s = static_cast<double>(spacing);
  // Over a lattice, y and x are independent: each slope is a sum of its own.
  Placement sums;
  double squares_y = 0, squares_x = 0;
  sums.yy = sums.xx = 0;
  for (Index j = box.begin.y; j < box.end.y; ++j)
    for (Index i = box.begin.x; i < box.end.x; ++i) {
      const double y = s * (static_cast<double>(j) - cy), x = s * (static_cast<double>(i) - cx);
      const double dy = static_cast<double>(field.at(0, {z, j, i})) / field_units_per_px;
      const double dx = static_cast<double>(field.at(1, {z, j, i})) / field_units_per_px;
      squares_y += y * y;
      squares_x += x * x;
      sums.yy += y * dy;
      sums.yx += x * dy;
      sums.xy += y * dx;
      sums.xx += x * dx;
    }
  Placement fit;
  if (squares_y > 0) {
    fit.yy += sums.yy / squares_y;
    fit.xy += sums.xy / squares_y;
  }
  if (squares_x > 0) {
    fit.yx += sums.yx / squares_x;
    fit.xx += sums.xx / squares_x;
  }
  return fit.determinant() > 0 ? coarse_align::polar_of(fit).angle : 0;
}

Turns turns_of(View<const std::int64_t> placements, const std::vector<double>& field, const Box& sections,
               Vec2 middle, double radius_px) {
  std::vector<double> sums, weights;
  for (Index z = sections.begin.z; z < sections.end.z; ++z) {
    const Coord at{z, 0, 0};
    const Placement p = coarse_align::load_affine(placements, at);
    const bool speaks =
        placements.at(coarse_align::placement_bad, at) == 0 && p.determinant() > 0 && p.yy + p.xx > 0;
    sums.push_back(speaks ? radius_px * (coarse_align::polar_of(p).angle +
                                         field[static_cast<std::size_t>(z - sections.begin.z)])
                          : 0);
    weights.push_back(speaks ? 1 : 0);
  }
  constexpr double least_px = 0.05;
  const auto course = course_shown(sums, static_cast<Index>(sums.size()), 1, least_px, weights);
  Turns turns{middle, field, std::vector<double>(field.size(), 0.0)};
  for (std::size_t i = 0; course && i < field.size(); ++i) turns.course[i] = (*course)[i] / radius_px;
  return turns;
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

void keep_course(const Array& field, Index spacing, double length, Array& out, const Turns& turns) {
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
  const auto turn = [&](Index z, const std::vector<double>& angles, double sign) {
    const double angle = angles.empty() ? 0 : angles[static_cast<std::size_t>(z - held.begin.z)];
    return Rotation{turns.middle, sign * angle};
  };
  for (Index z = held.begin.z; z < held.end.z; ++z) {
    const Rotation back = turn(z, turns.field, -1);
    Box{{z, held.begin.y, held.begin.x}, {z + 1, held.end.y, held.end.x}}.for_each([&](Coord p) {
      Vec2 d = (1 / field_units_per_px) *
               Vec2{static_cast<double>(from.at(0, p)), static_cast<double>(from.at(1, p))};
      if (!turns.field.empty()) d = back(node(p) + d) - node(p);
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
    const Rotation on = turn(z, turns.course, 1);
    Box{{z, held.begin.y, held.begin.x}, {z + 1, held.end.y, held.end.x}}.for_each([&](Coord p) {
      Vec2 d{ys[i], xs[i]};
      ++i;
      if (!turns.course.empty()) d = on(node(p) + d) - node(p);
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
