#pragma once
// The parameters of stage `place_sections`, read once and shared by its steps.

#include "petavox/stage/params.hpp"

#include "stages/coarse_align/small_section.hpp"

namespace petavox::place_sections {

struct Settings {
  explicit Settings(Params& params);

  coarse_align::Settings match;
  Index extent = 2048;    ///< most pixels along a side of a whole section in the search
  int reach = 3;          ///< sections back that may be linked
  double background = 0;  ///< pixels of this value hold nothing; negative: all do
  bool course = true;     ///< see course.hpp

  /// Full-resolution pixels per pixel of the search, for sections of this box.
  Index factor(const Box& domain) const { return coarse_align::reduction_of(domain, extent); }
};

}  // namespace petavox::place_sections
