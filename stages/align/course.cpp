#include "stages/align/course.hpp"

#include "stages/align/field.hpp"
#include "stages/align/lines.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {

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

void keep_course(const Array& field, Index spacing, double length, Array& out) {
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
  for (int c = 0; c < 2; ++c) {
    std::vector<double> values;
    for (const std::int32_t v : from.channel(c))
      values.push_back(static_cast<double>(v) / field_units_per_px);
    constexpr double least_px = 0.05;
    limit_steps(values, sections, columns, least_px);
    values = slow_part(std::move(values), sections, columns, length, weights);
    std::size_t i = 0;
    for (std::int32_t& v : slow.channel(c))
      v = to_units(std::clamp(values[i++], -max_course_px, max_course_px));
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
