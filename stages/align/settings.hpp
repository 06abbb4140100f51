#pragma once
// The parameters of stage `align`, read once and shared by its steps.

#include "petavox/stage/params.hpp"

#include "stages/align/flow.hpp"
#include "stages/align/solve.hpp"

namespace petavox::align {

struct Settings {
  explicit Settings(Params& params);

  std::vector<Index> levels;  ///< pixels per level pixel of each pass, descending
  FlowSettings flow;          ///< of the first pass
  int refine = 7;             ///< radius of the passes after the first
  CleanSettings clean;
  SolveSettings solve;
  Index margin = 0;       ///< of the canvas round the input on y and x, a multiple of every level
  double course = 8;      ///< sections; see course.hpp; 0: tissue is straightened
  double background = 0;  ///< pixels of this value hold nothing; negative: all do

  int num_links() const { return static_cast<int>(flow.links.size()); }
  int num_passes() const { return static_cast<int>(levels.size()); }
  Index level(int pass) const { return levels[static_cast<std::size_t>(pass)]; }
  FlowSettings flow_of(int pass) const {
    FlowSettings s = flow;
    if (pass > 0) s.match.radius = refine;
    return s;
  }
  /// Full-resolution pixels between the nodes of a pass.
  Index spacing(int pass) const { return level(pass) * flow.match.spacing; }
};

}  // namespace petavox::align
