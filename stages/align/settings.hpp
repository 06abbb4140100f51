#pragma once
// The parameters of stage `align`, read once and shared by its steps.

#include "petavox/stage/params.hpp"

#include "stages/align/flow.hpp"
#include "stages/align/solve.hpp"

#include <algorithm>

namespace petavox::align {

struct Settings {
  explicit Settings(Params& params);

  std::vector<Index>
      levels;         ///< the lattice of each pass has nodes `spacing` x this pixels apart; descending
  Index finest = 1;   ///< pixels per level pixel below which no pass looks
  FlowSettings flow;  ///< of the first pass
  int refine = 7;     ///< radius of passes on the same pixels as the one before
  CleanSettings clean;
  SolveSettings solve;
  Index margin = 0;       ///< of the canvas round the input on y and x, a multiple of every level
  double course = 8;      ///< sections; see course.hpp; 0: tissue is straightened
  double background = 0;  ///< pixels of this value hold nothing; negative: all do

  int num_links() const { return static_cast<int>(flow.links.size()); }
  int num_passes() const { return static_cast<int>(levels.size()); }
  /// Pixels per pixel that a pass matches.
  Index level(int pass) const { return std::max(levels[static_cast<std::size_t>(pass)], finest); }
  /// Full-resolution pixels between the nodes of a pass.
  Index spacing(int pass) const { return levels[static_cast<std::size_t>(pass)] * flow.match.spacing; }
  FlowSettings flow_of(int pass) const {
    FlowSettings s = flow;
    s.match.spacing = spacing_in_level(pass);
    s.match.radius = radius(pass);
    return s;
  }
  /// What a pass leaves undone is what bends within its patches. On finer pixels patches are smaller and see
  /// it: dozens of pixels after the coarsest pass, less after each. So a pass on finer pixels than the one
  /// before searches halfway between what that one searched and `refine`.
  int radius(int pass) const {
    int searched = flow.match.radius;
    for (int p = 1; p <= pass; ++p)
      if (level(p) < level(p - 1)) searched = std::max(refine, (searched + refine + 1) / 2);
    return pass == 0 || level(pass) < level(pass - 1) ? searched : refine;
  }
  SolveSettings solve_of(int pass) const {
    SolveSettings s = solve;
    s.spacing = spacing_in_level(pass);
    return s;
  }
  /// The same in pixels of its level.
  int spacing_in_level(int pass) const { return static_cast<int>(spacing(pass) / level(pass)); }
};

}  // namespace petavox::align
