#pragma once
// A reduced section in which damage is looked for, and connected parts of pictures. Plain integers.

#include "petavox/geometry/coord.hpp"

#include <cstdint>
#include <vector>

namespace petavox::open_folds {

/// height x width values, rows contiguous.
template <class T>
struct Grid {
  Index height = 0, width = 0;
  std::vector<T> values;

  Grid() = default;
  Grid(Index h, Index w, T fill = T{}) : height{h}, width{w}, values(static_cast<std::size_t>(h * w), fill) {}
  bool inside(Index y, Index x) const { return y >= 0 && y < height && x >= 0 && x < width; }
  std::size_t index(Index y, Index x) const { return static_cast<std::size_t>(y * width + x); }
  T& at(Index y, Index x) { return values[index(y, x)]; }
  const T& at(Index y, Index x) const { return values[index(y, x)]; }
};

using Mask = Grid<std::uint8_t>;

/// Grey levels, and 1 where the section holds something.
struct Picture {
  Grid<std::uint16_t> grey;
  Mask holds;
};

/// A connected set of pixels, in raster order of its first.
struct Part {
  std::vector<std::size_t> pixels;
  Index min_y = 0, max_y = 0, min_x = 0, max_x = 0;            ///< inclusive
  Index min_sum = 0, max_sum = 0, min_less = 0, max_less = 0;  ///< of y + x and of y - x
  /// The square of its extent along the axis or diagonal on which it is longest.
  Index length_squared() const;
};

/// The parts of the pixels that are not 0, connected over edges, or over edges and corners.
std::vector<Part> parts_of(const Mask& mask, bool corners);

/// 1 where a pixel within `radius` (a square) is not 0.
Mask grown(const Mask& mask, Index radius);
/// 1 where all pixels within `radius` are not 0; what is outside the picture counts as 0.
Mask shrunk(const Mask& mask, Index radius);

}  // namespace petavox::open_folds
