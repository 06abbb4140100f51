#pragma once
// Two small things that every search for displacements needs.

#include <algorithm>
#include <vector>

namespace petavox::coarse_align {

/// The upper one of two middle values; 0 of none.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// Offset of the vertex of the parabola through three values a step apart, within half a step.
inline double vertex(double low, double centre, double high) {
  const double curvature = low - 2 * centre + high;
  return curvature == 0 ? 0 : std::clamp(0.5 * (low - high) / curvature, -0.5, 0.5);
}

}  // namespace petavox::coarse_align
