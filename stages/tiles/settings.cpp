#include "stages/tiles/settings.hpp"

namespace petavox::tiles {

Settings::Settings(Params& params) {
  const std::vector<double> range = params.numbers(
      "range", {black, white}, {0, 255}, "input values that become 0 and 255; of 16-bit tiles, value / 257");
  if (range.size() == 2 && range[0] < range[1]) {
    black = range[0];
    white = range[1];
  } else {
    params.problem("range",
                   "needs two ascending numbers (they are stretched to 0 and 255); write [black, white]");
  }
  zero_is_empty = params.flag("zero_is_empty", zero_is_empty,
                              "pixels of 0 hold nothing (the margin of a corrected tile)");
  min_deviation = params.number("min_deviation", min_deviation, {0, 128},
                                "standard deviation below which a tile has low contrast");
  max_saturated = params.number("max_saturated", max_saturated, {0, 1},
                                "share of pixels at the end of the scale above which a tile is saturated");
  min_focus =
      params.number("min_focus", min_focus, {0, 1},
                    "sharpness below which a tile is out of focus, relative to the median of its section");
  search_px = params.integer("search_px", search_px, {4, 4096},
                             "largest error of the nominal distance of two tiles, per axis");
  min_overlap_px =
      params.integer("min_overlap_px", min_overlap_px, {8, 4096}, "narrower overlaps are not compared");
  min_correlation =
      params.number("min_correlation", min_correlation, {0, 1}, "of a match, below which it is refused");
  patch_px =
      params.integer("patch_px", patch_px, {16, 512}, "side of the patches that are matched in an overlap");
  stiffness = params.number("stiffness", stiffness, {1e-6, 1e6}, "of a tile against bending, in matches");
  elastic = params.flag("elastic", elastic, "bend tiles so that overlaps fit better than shifts allow");
  even_light = params.flag("even_light", even_light, "correct uneven light and different gain");
  feather_px =
      params.integer("feather_px", feather_px, {1, 1024}, "over which a tile gives way to its neighbour");
}

}  // namespace petavox::tiles
