#pragma once
// Images of floats for the coarse alignment, and its elementary functions: + - * / and square roots only, so
// that every machine computes the same bits.

#include "petavox/geometry/coord.hpp"

#include "stages/boundary/gaussian.hpp"

#include <algorithm>
#include <vector>

namespace petavox::coarse_align {

/// height x width floats, rows contiguous.
struct Plane {
  Index height = 0, width = 0;
  std::vector<float> values;

  Plane() = default;
  Plane(Index h, Index w) : height{h}, width{w}, values(static_cast<std::size_t>(h * w), 0.0F) {}
  float& at(Index y, Index x) { return values[static_cast<std::size_t>(y * width + x)]; }
  float at(Index y, Index x) const { return values[static_cast<std::size_t>(y * width + x)]; }
  const float* row(Index y) const { return values.data() + y * width; }
  float* row(Index y) { return values.data() + y * width; }
};

/// Convolved with a Gaussian in both axes; beyond the plane its edge is repeated.
Plane smoothed(const Plane& plane, double sigma);
/// Every second pixel of every second row.
Plane halved(const Plane& plane);
/// Twice the pixels in both axes, bilinear: pixel (2y, 2x) is (y, x).
Plane doubled(const Plane& plane);
/// Bilinear; 0 outside.
inline float sample(const Plane& plane, double y, double x) {
  const auto last_y = static_cast<double>(plane.height - 1), last_x = static_cast<double>(plane.width - 1);
  if (!(y >= 0 && x >= 0 && y <= last_y && x <= last_x)) return 0;
  const auto y0 = std::min<Index>(static_cast<Index>(y), std::max<Index>(0, plane.height - 2));
  const auto x0 = std::min<Index>(static_cast<Index>(x), std::max<Index>(0, plane.width - 2));
  const Index y1 = std::min(y0 + 1, plane.height - 1), x1 = std::min(x0 + 1, plane.width - 1);
  const auto fy = static_cast<float>(y - static_cast<double>(y0));
  const auto fx = static_cast<float>(x - static_cast<double>(x0));
  const float top = plane.at(y0, x0) + fx * (plane.at(y0, x1) - plane.at(y0, x0));
  const float bottom = plane.at(y1, x0) + fx * (plane.at(y1, x1) - plane.at(y1, x0));
  return top + fy * (bottom - top);
}

/// Angle of the vector (y, x) in [0, 2 pi), to about 1e-6; 0 for the zero vector.
double angle_of(double y, double x);
/// Sine and cosine of an angle in [-2 pi, 4 pi], to about 1e-9.
struct Direction {
  double sine = 0, cosine = 1;
};
Direction direction_of(double angle);

}  // namespace petavox::coarse_align
