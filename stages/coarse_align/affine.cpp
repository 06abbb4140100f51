#include "stages/coarse_align/affine.hpp"

#include "stages/coarse_align/plane.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace petavox::coarse_align {
namespace {

constexpr double units = 4294967296.0;             // 2^32
constexpr double largest = 4611686018427387904.0;  // 2^62

}  // namespace

Affine Affine::inverse() const {
  const double d = determinant();
  Affine out;
  out.yy = xx / d;
  out.yx = -yx / d;
  out.xy = -xy / d;
  out.xx = yy / d;
  out.y0 = -(out.yy * y0 + out.yx * x0);
  out.x0 = -(out.xy * y0 + out.xx * x0);
  return out;
}

Affine Affine::after(const Affine& first) const {
  Affine out;
  out.yy = yy * first.yy + yx * first.xy;
  out.yx = yy * first.yx + yx * first.xx;
  out.xy = xy * first.yy + xx * first.xy;
  out.xx = xy * first.yx + xx * first.xx;
  out.y0 = y(first.y0, first.x0);
  out.x0 = x(first.y0, first.x0);
  return out;
}

Polar polar_of(const Affine& t) {
  const double c = t.yy + t.xx, s = t.xy - t.yx, length = std::sqrt(c * c + s * s);
  if (!(length > 0)) return {};
  const double cosine = c / length, sine = s / length, angle = angle_of(sine, cosine);
  return {angle > std::numbers::pi ? angle - 2 * std::numbers::pi : angle, t.yy * cosine - t.yx * sine,
          t.yy * sine + t.yx * cosine, t.xy * sine + t.xx * cosine};
}

Box column_of(const Box& domain) { return {{domain.begin.z, 0, 0}, {domain.end.z, 1, 1}}; }

Affine load_affine(View<const std::int64_t> view, Coord at, int first) {
  const auto value = [&](int c) { return static_cast<double>(view.at(first + c, at)) / units; };
  Affine t;
  t.yy = value(0);
  t.yx = value(1);
  t.y0 = value(2);
  t.xy = value(3);
  t.xx = value(4);
  t.x0 = value(5);
  return t;
}

void store_affine(View<std::int64_t> view, Coord at, const Affine& t, int first) {
  const double values[] = {t.yy, t.yx, t.y0, t.xy, t.xx, t.x0};
  for (int c = 0; c < 6; ++c)
    view.at(first + c, at) =
        static_cast<std::int64_t>(std::clamp(std::floor(values[c] * units + 0.5), -largest, largest));
}

}  // namespace petavox::coarse_align
