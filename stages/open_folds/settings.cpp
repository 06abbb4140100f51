#include "stages/open_folds/settings.hpp"

namespace petavox::open_folds {

Settings::Settings(Params& params) {
  extent = params.integer("extent", extent, {64, 8192},
                          "most pixels along a side of a whole section in the search");
  damage.min_length =
      params.number("min_length", damage.min_length, {0.01, 1},
                    "least length of a fold or crack, as a share of the section's longer side");
  damage.contrast = params.number(
      "contrast", damage.contrast, {0.1, 2},
      "how dark a fold, how bright a crack is: 0 the median grey of the section, 1 the darkest or "
      "brightest fiftieth of its pixels");
  damage.min_piece = params.number("min_piece", damage.min_piece, {0.001, 0.5},
                                   "least piece that is looked for elsewhere, as a share of the section");
  reach = static_cast<int>(
      params.integer("reach", reach, {1, 8}, "sections on either side that may show where a piece belongs"));
  match.max_scale =
      params.number("max_scale", match.max_scale, {1, 2}, "largest ratio of sizes of a piece and its place");
  match.min_inliers = static_cast<int>(
      params.integer("min_inliers", match.min_inliers, {4, 1000}, "patches that must agree on a place"));
  match.min_ncc =
      params.number("min_correlation", match.min_ncc, {0, 1}, "least correlation of a piece and its place");
  match.flips = false;
  margin =
      params.integer("margin", margin, {0, 1 << 20},
                     "pixels of the opened sections round the input on y and x, for pieces that move out");
  background = params.number("background", background, {-1, 65535},
                             "pixels of this value hold nothing; -1: every pixel holds something");
}

}  // namespace petavox::open_folds
