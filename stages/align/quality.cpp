#include "stages/align/quality.hpp"

#include "stages/align/section_sums.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {

double cell_correlation(const Array& image, Index z, const Box& cell, double background) {
  Box here = cell.intersect(image.box());
  here.begin.z = z;
  here.end.z = z + 1;
  if (z - 1 < image.box().begin.z || here.empty()) return -2;
  // Sums of uint16 squares over a cell stay far below 2^63.
  PairSums sums;
  const bool some = background >= 0 && background <= 65535 && std::floor(background) == background;
  const std::int32_t nothing = some ? static_cast<std::int32_t>(background) : no_pixel;
  const auto add = [&]<class T>(View<const T> view) {
    for (Index y = here.begin.y; y < here.end.y; ++y)
      for (Index x = here.begin.x; x < here.end.x; x += most_pairs)
        add_pairs(&view[{z, y, x}], &view[{z - 1, y, x}], nothing, std::min(most_pairs, here.end.x - x),
                  sums);
  };
  if (image.dtype() == DType::u8)
    add(image.view<std::uint8_t>());
  else
    add(image.view<std::uint16_t>());
  const auto [n, a, b, aa, bb, ab] = sums;
  if (2 * n < cell.shape().y * cell.shape().x) return -2;
  const auto count = static_cast<double>(n);
  const double va = static_cast<double>(aa) - static_cast<double>(a) * static_cast<double>(a) / count;
  const double vb = static_cast<double>(bb) - static_cast<double>(b) * static_cast<double>(b) / count;
  const double c = static_cast<double>(ab) - static_cast<double>(a) * static_cast<double>(b) / count;
  return va > 0 && vb > 0 ? c / std::sqrt(va * vb) : -2;
}

double area_at(const Placement& placement, const Array& field, Coord node, Index spacing) {
  const Box& domain = field.domain();
  const FieldSection section{field.view<std::int32_t>(), node.z, spacing};
  const auto source = [&](Index j, Index i) {
    const Vec2 d = (1 / field_units_per_px) * section.node(j, i);
    return source_of(placement, Vec2{node_centre(j, spacing), node_centre(i, spacing)} + d);
  };
  const auto slope = [&](int axis) {
    const Index low = std::max(node[axis] - 1, domain.begin[axis]);
    const Index high = std::min(node[axis] + 1, domain.end[axis] - 1);
    if (high == low) return axis == 1 ? Vec2{placement.yy, placement.xy} : Vec2{placement.yx, placement.xx};
    const Vec2 d =
        axis == 1 ? source(high, node.x) - source(low, node.x) : source(node.y, high) - source(node.y, low);
    return (1 / static_cast<double>((high - low) * spacing)) * d;
  };
  const Vec2 by_y = slope(1), by_x = slope(2);
  return by_y.y * by_x.x - by_x.y * by_y.x;
}

}  // namespace petavox::align
