#pragma once
// Patches all over two sections that lie on each other about right, and where they are found.

#include "stages/coarse_align/consensus.hpp"
#include "stages/coarse_align/prepared.hpp"

namespace petavox::coarse_align {

/// Places of the fixed section and where patches round them are found in the moving one, through `t`: as
/// features without descriptors, pair by pair.
struct PatchMatches {
  Features fixed, moving;
  std::vector<Match> matches;
  std::size_t tried = 0;   ///< places where both sections hold something
  double correlation = 0;  ///< sum over the matches
};
/// Sought within `radius` pixels of where `t` puts them.
PatchMatches match_patches(const Prepared& fixed, const Prepared& moving, const Affine& t, Index radius);

/// Round the place of a patch, when the transform is about right.
inline constexpr Index search_px = 12;

}  // namespace petavox::coarse_align
