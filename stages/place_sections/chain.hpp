#pragma once
// From transforms between pairs of sections to a place for each: the surest pairs that connect the sections
// form a tree, and transforms are composed along it. Plain functions; nothing depends on the order of the
// pairs.

#include "stages/coarse_align/affine.hpp"

#include <vector>

namespace petavox::place_sections {

using coarse_align::Affine;

/// Section `z` lies on section `z - distance` through `to_fixed`. Sections are counted from 0.
struct PairLink {
  Index z = 0;
  int distance = 1;
  Affine to_fixed{};
  double confidence = 0;
};

struct Placed {
  Affine from_canvas{};   ///< canvas pixel to the section's pixel
  bool found = false;     ///< connected with the frame
  double confidence = 0;  ///< of the weakest pair on the way to the frame
};

/// Places for `sections` sections. The frame is that section of the largest connected group which lies most
/// like all others of it: its placement is the identity. A section that is not connected is placed like the
/// nearest one that is (not `found`); sections connected with it, but not with the frame, keep their places
/// relative to it. Distances are measured over the corners of `frame`, in pixels.
std::vector<Placed> chain(Index sections, std::vector<PairLink> links, const Box& frame);

}  // namespace petavox::place_sections
