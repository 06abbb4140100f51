#pragma once
// What a tile looks like: figures that say whether it can be used. Plain functions.

#include "petavox/volume/array.hpp"

#include "stages/tiles/fields.hpp"

#include <array>
#include <functional>

namespace petavox::tiles {

/// Exact sums over bands of rows, so that no order matters.
struct Quality {
  TileState state = TileState::blank;
  double mean = 0, deviation = 0;  ///< of pixels that are not 0, on the scale 0 to 255
  double focus = 0;                ///< energy of the Laplacian over the variance: falls with blur
  double saturated = 0;            ///< share of pixels at 255
  std::uint64_t hash = 0;          ///< of the pixels
  std::array<double, static_cast<std::size_t>(cells* cells)> cell_means{};  ///< 0 where a cell has no content
};

/// `read(y0, y1)` gives rows [y0, y1) of a tile of height x width pixels (uint8 or uint16, any box of that
/// shape); it is asked in ascending order for bands that share two rows.
Quality quality_of(Index height, Index width, const std::function<Array(Index, Index)>& read);

/// States that need no other tile: blank, low contrast, saturated, or good.
TileState judged(const Quality& quality, double min_deviation, double max_saturated);

}  // namespace petavox::tiles
