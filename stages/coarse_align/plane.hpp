#pragma once
// Images of floats for the coarse alignment, and its elementary functions: + - * / and square roots only, so
// that every machine computes the same bits.

#include "petavox/geometry/coord.hpp"

#include "stages/boundary/gaussian.hpp"

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
float sample(const Plane& plane, double y, double x);

/// Angle of the vector (y, x) in [0, 2 pi), to about 1e-6; 0 for the zero vector.
double angle_of(double y, double x);
/// Sine and cosine of an angle in [-2 pi, 4 pi], to about 1e-9.
struct Direction {
  double sine = 0, cosine = 1;
};
Direction direction_of(double angle);

}  // namespace petavox::coarse_align
