#pragma once
// The area of a map, measured on what it draws.

#include "petavox/volume/array.hpp"

#include "stages/align/field.hpp"

#include <algorithm>

namespace petavox::test {

/// The least area of the map x -> x + D(x) over the pixels of section z, from differences over half a pixel.
inline double least_area(const Array& field, Index spacing, Index z) {
  using align::Vec2;
  const align::FieldSection section{field.view<std::int32_t>(), z, spacing};
  const Box pixels = refined(field.box(), {1, spacing, spacing});
  double least = 1e9;
  constexpr double h = 0.25;
  for (Index y = pixels.begin.y; y < pixels.end.y; y += 2)
    for (Index x = pixels.begin.x; x < pixels.end.x; x += 2) {
      const Vec2 p{static_cast<double>(y), static_cast<double>(x)};
      const Vec2 dy = (1 / (2 * h)) * (section.at(p + Vec2{h, 0}) - section.at(p - Vec2{h, 0}));
      const Vec2 dx = (1 / (2 * h)) * (section.at(p + Vec2{0, h}) - section.at(p - Vec2{0, h}));
      least = std::min(least, (1 + dy.y) * (1 + dx.x) - dy.x * dx.y);
    }
  return least;
}

}  // namespace petavox::test
