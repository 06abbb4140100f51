#include "stages/align/placement.hpp"

#include <cmath>

namespace petavox::align {
namespace {

constexpr double units = 4294967296.0;  // 2^32

}  // namespace

Placement Placement::inverse() const {
  const double d = yy * xx - yx * xy;
  Placement p{xx / d, -yx / d, 0, -xy / d, yy / d, 0};
  p.y0 = -(p.yy * y0 + p.yx * x0);
  p.x0 = -(p.xy * y0 + p.xx * x0);
  return p;
}

Placement Placement::after(const Placement& f) const {
  return {yy * f.yy + yx * f.xy, yy * f.yx + yx * f.xx, yy * f.y0 + yx * f.x0 + y0,
          xy * f.yy + xx * f.xy, xy * f.yx + xx * f.xx, xy * f.y0 + xx * f.x0 + x0};
}

Box column_of(const Box& domain) { return {{domain.begin.z, 0, 0}, {domain.end.z, 1, 1}}; }

Placement placement_at(View<const std::int64_t> column, Index z) {
  const auto value = [&](int c) { return static_cast<double>(column.at(c, {z, 0, 0})) / units; };
  return {value(0), value(1), value(2), value(3), value(4), value(5)};
}

void set_placement(View<std::int64_t> column, Index z, const Placement& p) {
  const double values[] = {p.yy, p.yx, p.y0, p.xy, p.xx, p.x0};
  for (int c = 0; c < 6; ++c)
    column.at(c, {z, 0, 0}) = static_cast<std::int64_t>(std::floor(values[c] * units + 0.5));
}

}  // namespace petavox::align
