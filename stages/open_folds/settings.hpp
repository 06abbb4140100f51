#pragma once
// The parameters of stage `open_folds`, read once and shared by its steps.

#include "petavox/stage/params.hpp"

#include "stages/coarse_align/small_section.hpp"
#include "stages/open_folds/damage.hpp"

namespace petavox::open_folds {

struct Settings {
  explicit Settings(Params& params);

  DamageSettings damage;
  coarse_align::Settings match;
  Index extent = 1024;    ///< most pixels along a side of a whole section in the search
  int reach = 2;          ///< sections on either side that may show where a piece belongs
  Index margin = 0;       ///< of the opened sections round the input on y and x
  double background = 0;  ///< pixels of this value hold nothing; negative: all do

  /// Full-resolution pixels per pixel of the search, for sections of this box.
  Index factor(const Box& domain) const { return coarse_align::reduction_of(domain, extent); }
};

}  // namespace petavox::open_folds
