#include "stages/align/field.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace petavox::align {

std::int32_t to_units(double v) {
  return static_cast<std::int32_t>(std::floor(v * field_units_per_px + 0.5));
}

std::array<double, 4> cubic_weights(double t) {
  return {((-0.5 * t + 1) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1, ((-1.5 * t + 2) * t + 0.5) * t,
          (0.5 * t - 0.5) * t * t};
}

Vec2 FieldSection::node(Index j, Index i) const {
  const Box& domain = field_.domain();
  const auto value = [&](Index y, Index x) {
    return Vec2{static_cast<double>(field_.at(0, {z_, y, x})), static_cast<double>(field_.at(1, {z_, y, x}))};
  };
  const Index y = std::clamp(j, domain.begin.y, domain.end.y - 1);
  const Index x = std::clamp(i, domain.begin.x, domain.end.x - 1);
  Vec2 v = value(y, x);
  // Two nodes further on a straight line, constant from there.
  const auto beyond = [](Index wanted, Index there) {
    return static_cast<double>(std::min<Index>(2, wanted > there ? wanted - there : there - wanted));
  };
  const Vec2 edge = v;
  if (j != y && domain.shape().y > 1) v = v + beyond(j, y) * (edge - value(j < y ? y + 1 : y - 1, x));
  if (i != x && domain.shape().x > 1) v = v + beyond(i, x) * (edge - value(y, i < x ? x + 1 : x - 1));
  return v;
}

Vec2 FieldSection::at(Vec2 px) const {
  const double y = node_position(px.y, spacing_), x = node_position(px.x, spacing_);
  const double fy = std::floor(y), fx = std::floor(x);
  const auto wy = cubic_weights(y - fy), wx = cubic_weights(x - fx);
  const auto j = static_cast<Index>(fy), i = static_cast<Index>(fx);
  Vec2 sum;
  for (Index b = 0; b < 4; ++b) {
    Vec2 row;
    for (Index a = 0; a < 4; ++a) row = row + wx[static_cast<std::size_t>(a)] * node(j - 1 + b, i - 1 + a);
    sum = sum + wy[static_cast<std::size_t>(b)] * row;
  }
  return (1 / field_units_per_px) * sum;
}

void field_row(const FieldSection& field, Index spacing, double y_px, double first_px, double step_px,
               std::span<Vec2> out) {
  if (out.empty()) return;
  const double y = node_position(y_px, spacing);
  const double fy = std::floor(y);
  const auto wy = cubic_weights(y - fy);
  const auto j = static_cast<Index>(fy);
  const double last_px = first_px + step_px * static_cast<double>(out.size() - 1);
  const Index first = static_cast<Index>(std::floor(node_position(first_px, spacing))) - 1;
  const Index last = static_cast<Index>(std::floor(node_position(last_px, spacing))) + 2;
  // The field along the row, at the nodes' columns.
  std::vector<Vec2> columns(static_cast<std::size_t>(last - first + 1));
  for (Index i = first; i <= last; ++i) {
    Vec2 sum;
    for (Index b = 0; b < 4; ++b) sum = sum + wy[static_cast<std::size_t>(b)] * field.node(j - 1 + b, i);
    columns[static_cast<std::size_t>(i - first)] = (1 / field_units_per_px) * sum;
  }
  for (std::size_t p = 0; p < out.size(); ++p) {
    const double x = node_position(first_px + step_px * static_cast<double>(p), spacing);
    const double fx = std::floor(x);
    const auto wx = cubic_weights(x - fx);
    const Vec2* c = &columns[static_cast<std::size_t>(static_cast<Index>(fx) - 1 - first)];
    out[p] = wx[0] * c[0] + wx[1] * c[1] + wx[2] * c[2] + wx[3] * c[3];
  }
}

}  // namespace petavox::align
