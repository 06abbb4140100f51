#pragma once
// From two sets of features to the transform that most of their matches agree on.

#include "stages/coarse_align/features.hpp"
#include "stages/coarse_align/kernel.hpp"

#include <vector>

namespace petavox::coarse_align {

/// Two keypoints that may be the same spot: indices into the fixed and the moving features.
struct Match {
  std::uint32_t fixed = 0, moving = 0;
  std::int32_t margin = 0;  ///< how much closer the descriptors are than the next best, larger is surer
};

/// Pairs that are each other's nearest, and clearly nearer than the next; surest first.
std::vector<Match> match(const Features& fixed, const Features& moving);

struct Agreement {
  Affine transform{};
  std::vector<Match> inliers;  ///< at most one for each place
};

/// The similarity, from every pair of matches that could be one, on which most matches agree within
/// `inlier_px`; fitted to them. No inliers if there is none.
Agreement agree(const Features& fixed, const Features& moving, const std::vector<Match>& matches,
                const Settings& settings);

/// Fits to the matches that lie within `inlier_px`, again until they stay the same.
Agreement refined(const Features& fixed, const Features& moving, const std::vector<Match>& matches,
                  Affine start, const Settings& settings, bool affine);

/// The two stretches of a transform, the greater first.
struct Stretch {
  double most = 1, least = 1;
};
Stretch stretch_of(const Affine& transform);

}  // namespace petavox::coarse_align
