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
/// A place between the pixels of planes of one size, for bilinear interpolation.
class Between {
 public:
  /// Nowhere, if (y, x) is outside.
  Between(const Plane& plane, double y, double x) {
    const auto last_y = static_cast<double>(plane.height - 1), last_x = static_cast<double>(plane.width - 1);
    inside_ = y >= 0 && x >= 0 && y <= last_y && x <= last_x;
    if (!inside_) return;
    const auto y0 = std::min<Index>(static_cast<Index>(y), std::max<Index>(0, plane.height - 2));
    const auto x0 = std::min<Index>(static_cast<Index>(x), std::max<Index>(0, plane.width - 2));
    top_ = y0 * plane.width + x0;
    bottom_ = std::min(y0 + 1, plane.height - 1) * plane.width + x0;
    right_ = std::min(x0 + 1, plane.width - 1) - x0;
    fy_ = static_cast<float>(y - static_cast<double>(y0));
    fx_ = static_cast<float>(x - static_cast<double>(x0));
  }
  /// 0 outside.
  float of(const Plane& plane) const {
    if (!inside_) return 0;
    const float *const above = plane.values.data() + top_, *const below = plane.values.data() + bottom_;
    const float top = above[0] + fx_ * (above[right_] - above[0]);
    const float bottom = below[0] + fx_ * (below[right_] - below[0]);
    return top + fy_ * (bottom - top);
  }

 private:
  bool inside_ = false;
  Index top_ = 0, bottom_ = 0, right_ = 0;
  float fy_ = 0, fx_ = 0;
};
/// Bilinear; 0 outside.
inline float sample(const Plane& plane, double y, double x) { return Between{plane, y, x}.of(plane); }

/// Angle of the vector (y, x) in [0, 2 pi), to about 1e-6; 0 for the zero vector.
double angle_of(double y, double x);
/// Sine and cosine of an angle in [-2 pi, 4 pi], to about 1e-9.
struct Direction {
  double sine = 0, cosine = 1;
};
Direction direction_of(double angle);

}  // namespace petavox::coarse_align
