#pragma once
// How two overlapping tiles fit: one shift for the overlap, then patches along it.

#include "stages/tiles/correlate.hpp"

#include <vector>

namespace petavox::tiles {

struct Patch {
  double y = 0, x = 0;    ///< middle, in the frame of the first tile
  double dy = 0, dx = 0;  ///< the second tile's place less the first's, as this patch sees it
  double weight = 0;      ///< correlation
};

struct PairOffset {
  PairState state = PairState::none;
  double dy = 0, dx = 0;  ///< place of the second tile less that of the first, pixels
  double correlation = 0;
  double mean_own = 0, mean_other = 0;  ///< of the overlap in the two
  std::vector<Patch> patches;           ///< at most max_patches, those that agree
};

/// The overlap of two tiles at their nominal places, in the frame of the first.
Rect nominal_overlap(const Section& section, Index first, Index second);

/// Throws what the reading of tiles throws.
PairOffset offset_of(const Section& section, Index first, Index second, const Settings& settings);

}  // namespace petavox::tiles
