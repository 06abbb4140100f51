#pragma once
// The parameters of `stitch_tiles`, read once and shared by its steps.

#include "petavox/stage/params.hpp"

namespace petavox::tiles {

struct Settings {
  explicit Settings(Params& params);
  Settings() = default;

  double black = 0, white = 255;  ///< input values, on the scale of 8 bits, that become 0 and 255
  bool zero_is_empty = true;      ///< a pixel of 0 holds nothing
  double min_deviation = 4;       ///< of the intensities of a tile, below which it has low contrast
  double max_saturated = 0.3;     ///< share of its pixels at the end of the scale
  double min_focus = 0.25;        ///< of the median of its section
  Index search_px = 64;           ///< largest error of nominal places between two tiles
  Index min_overlap_px = 12;      ///< narrower overlaps are not compared
  double min_correlation = 0.25;
  Index patch_px = 96;
  double stiffness = 1;  ///< of the elastic correction, in matches
  bool elastic = true, even_light = true;
  Index feather_px = 48;  ///< over which a tile gives way to its neighbour
};

}  // namespace petavox::tiles
