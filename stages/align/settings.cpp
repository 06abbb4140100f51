#include "stages/align/settings.hpp"

#include <algorithm>

namespace petavox::align {
namespace {

bool power_of_two(double v) {
  const auto n = static_cast<Index>(v);
  return static_cast<double>(n) == v && n > 0 && (n & (n - 1)) == 0;
}

}  // namespace

Settings::Settings(Params& params) {
  const auto given = params.numbers("levels", {8, 4, 4, 2, 1}, {1, 1024},
                                    "of each pass: its nodes lie `spacing` times this apart, its pixels are "
                                    "this wide; descending powers of two");
  for (const double v : given) levels.push_back(static_cast<Index>(v));
  if (given.empty() || !std::all_of(given.begin(), given.end(), power_of_two) ||
      !std::is_sorted(levels.rbegin(), levels.rend())) {
    params.problem(
        "levels",
        "levels must be descending powers of two, at least one (each pass refines the one before); "
        "write for example [8, 4, 4, 2, 1]");
    levels = {1};
  }
  auto& m = flow.match;
  const Index patch =
      params.integer("patch", 48, {4, 1024},
                     "pixels along a side of what is matched, at each level; rounded up to an "
                     "odd number of spacings");
  m.radius = static_cast<int>(params.integer(
      "radius", 16, {4, 512}, "largest displacement that a pass finds, in pixels of its level"));
  refine = static_cast<int>(params.integer(
      "refine", refine, {4, 512},
      "the same of passes on the same pixels as the one before, which have less left to find; those on finer "
      "pixels search halfway between what the one before searched and this"));
  m.spacing = static_cast<int>(
      params.integer("spacing", 16, {4, 256}, "pixels between the nodes of the lattice, at each level"));
  finest = params.integer(
      "finest", finest, {1, 1024},
      "pixels per pixel below which no pass looks, a power of two: a pass with a lower level has "
      "its nodes and patches, in pixels of this one");
  const Index least = levels.back() * m.spacing;  // between nodes, full-resolution pixels
  if (!power_of_two(static_cast<double>(finest)) || least % finest != 0 || least < 4 * finest) {
    params.problem(
        "finest",
        "finest must be a power of two that divides the distance of nodes at the last level, at least four "
        "times (what lies between nodes is matched in whole pixels); lower it, or raise spacing");
    finest = 1;
  }
  m.rings = static_cast<int>(ceil_div(std::max<Index>(0, patch - m.spacing), 2 * m.spacing));
  m.min_valid = params.number("min_valid", m.min_valid, {0.01, 1},
                              "least share of a patch that must hold something in both sections");
  m.min_contrast = params.number("min_contrast", m.min_contrast, {1e-3, 65535},
                                 "least standard deviation of a patch, grey levels");
  const auto links = params.numbers("links", {1, 2}, {1, 64}, "how many sections back matches are sought");
  flow.links.clear();
  for (const double v : links) flow.links.push_back(static_cast<int>(v));
  std::sort(flow.links.begin(), flow.links.end());
  if (flow.links.empty() || flow.links.front() != 1 ||
      std::adjacent_find(flow.links.begin(), flow.links.end()) != flow.links.end()) {
    params.problem("links",
                   "links must be different and begin with 1 (sections would not hang together); write "
                   "for example [1, 2]");
    flow.links = {1};
  }
  clean.min_peak = params.number("min_peak", clean.min_peak, {0, 1}, "least correlation of a match");
  clean.min_ratio =
      params.number("min_ratio", clean.min_ratio, {1, 100}, "least ratio of its peak to the next");
  clean.min_sharpness = params.number("min_sharpness", clean.min_sharpness, {0, 1},
                                      "least height of its peak above the correlation 3 pixels away");
  clean.max_deviation = params.number("max_deviation", clean.max_deviation, {0.1, 100},
                                      "pixels by which a match may differ from the median of its neighbours");
  solve.links = flow.links;
  solve.spacing = m.spacing;
  solve.stiffness = params.number("stiffness", solve.stiffness, {1e-6, 100},
                                  "of a section against strain, relative to a perfect match");
  solve.anchor =
      params.number("anchor", solve.anchor, {1e-9, 100},
                    "of a section to where it was placed, relative to a perfect match; what lasts longer "
                    "than some sqrt(3 / anchor) sections is left as it was");
  solve.robust_px =
      params.number("robust_px", solve.robust_px, {0.01, 100}, "residuals beyond count less and less");
  solve.max_shift_px = params.number("max_shift", 2.0 * m.radius, {1, 4096},
                                     "largest correction of one pass, in pixels of its level");
  solve.coarsening = params.integer("coarsening", solve.coarsening, {1, 64},
                                    "of the lattice on which the whole stack is solved at once");
  solve.sweeps = static_cast<int>(
      params.integer("sweeps", solve.sweeps, {1, 32}, "relaxations of each column from there"));
  course = params.number(
      "course", course, {0, 1e6},
      "what lasts longer than some six times so many sections is left where it was: the course of "
      "oblique tissue; 0: everything is straightened");
  background = params.number("background", background, {-1, 65535},
                             "pixels of this value hold nothing; -1: every pixel holds something");
  const Index wanted = params.integer(
      "margin", 0, {0, 1 << 20}, "pixels of canvas round the input on y and x, rounded up to the levels");
  const Index whole = std::max(levels.front(), finest);
  margin = ceil_div(wanted, whole) * whole;
}

}  // namespace petavox::align
