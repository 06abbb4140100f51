#include "stages/place_sections/settings.hpp"

namespace petavox::place_sections {

Settings::Settings(Params& params) {
  extent = params.integer(
      "extent", extent, {64, 8192},
      "most pixels along a side of a whole section in the search; sections that are small among "
      "much that is empty need more");
  match.max_extent = params.integer("content", match.max_extent, {64, 4096},
                                    "most pixels along a side of what a section holds, in the search");
  reach = static_cast<int>(params.integer("reach", reach, {1, 16},
                                          "how many sections back a section may be linked, past bad ones"));
  match.max_scale =
      params.number("max_scale", match.max_scale, {1, 2}, "largest ratio of sizes of two sections");
  match.flips = params.flag("flips", match.flips, "look for sections that were turned over");
  match.affine = params.flag("affine", match.affine, "false: rotation, one scale and shift only");
  match.inlier_px = params.number("inlier_px", match.inlier_px, {0.5, 50},
                                  "pixels of the search by which a patch may miss a transform");
  match.min_inliers = static_cast<int>(
      params.integer("min_inliers", match.min_inliers, {4, 1000}, "patches that must agree on a transform"));
  match.min_ncc =
      params.number("min_correlation", match.min_ncc, {0, 1}, "least correlation of two sections");
  match.min_overlap = params.number("min_overlap", match.min_overlap, {0.01, 1},
                                    "least share of the smaller section that both show");
  course = params.flag(
      "keep_course", course,
      "leave what changes slowly from section to section (the course of oblique tissue) where it was");
  background = params.number("background", background, {-1, 65535},
                             "pixels of this value hold nothing; -1: every pixel holds something");
}

}  // namespace petavox::place_sections
