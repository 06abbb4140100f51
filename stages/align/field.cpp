#include "stages/align/field.hpp"

#include <algorithm>
#include <cmath>

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

FieldRows::FieldRows(const FieldSection& field, Index spacing, double first_px, double step_px,
                     std::size_t count)
    : field_{field}, spacing_{spacing} {
  for (auto& w : weights_) w.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double x = node_position(first_px + step_px * static_cast<double>(i), spacing), fx = std::floor(x);
    const auto w = cubic_weights(x - fx);
    for (std::size_t a = 0; a < 4; ++a) weights_[a][i] = w[a];
    const Index column = static_cast<Index>(fx) - 1;
    if (i == 0) first_column_ = column;
    const auto from_first = static_cast<std::int64_t>(column - first_column_),
               here = static_cast<std::int64_t>(i);
    if (i == 0 || runs_.back().column != from_first) runs_.push_back({here, here, from_first});
    runs_.back().end = here + 1;
  }
  if (count > 0) num_columns_ = static_cast<std::size_t>(runs_.back().column) + 4;
  columns_.resize(2 * num_columns_);
  nodes_.resize(4 * columns_.size());
}

void FieldRows::read(double y_px, double* out_y, double* out_x) {
  const double y = node_position(y_px, spacing_), fy = std::floor(y);
  const auto wy = cubic_weights(y - fy);
  const Index first = static_cast<Index>(fy) - 1;
  const std::size_t width = columns_.size();
  if (first_row_ != first) {
    first_row_ = first;
    for (std::size_t b = 0; b < 4; ++b)
      for (std::size_t c = 0; c < num_columns_; ++c) {
        const Vec2 v = field_.node(first + static_cast<Index>(b), first_column_ + static_cast<Index>(c));
        nodes_[b * width + c] = v.y;
        nodes_[b * width + num_columns_ + c] = v.x;
      }
  }
  for (std::size_t c = 0; c < width; ++c) {
    double sum = 0;
    for (std::size_t b = 0; b < 4; ++b) sum += wy[b] * nodes_[b * width + c];
    columns_[c] = (1 / field_units_per_px) * sum;
  }
  const double* const weights[4] = {weights_[0].data(), weights_[1].data(), weights_[2].data(),
                                    weights_[3].data()};
  const auto num_runs = static_cast<std::int64_t>(runs_.size());
  between_columns(runs_.data(), num_runs, weights, columns_.data(), out_y);
  between_columns(runs_.data(), num_runs, weights, columns_.data() + num_columns_, out_x);
}

}  // namespace petavox::align
