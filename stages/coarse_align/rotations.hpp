#pragma once
// A global search that needs no keypoints: one image is turned and scaled through a fixed set of poses and
// correlated with the other over all shifts. Slow, and only as accurate as its steps; for sections on which
// the keypoints do not agree.

#include "stages/coarse_align/kernel.hpp"
#include "stages/coarse_align/plane.hpp"

#include <vector>

namespace petavox::coarse_align {

/// Similarities from pixels of `moving` to pixels of `fixed` (both of even local contrast, 0 outside), the
/// most correlated first, at most `count`, no two of neighbouring poses.
std::vector<Affine> likely_poses(const Plane& fixed, const Plane& moving, double max_scale,
                                 std::size_t count);

}  // namespace petavox::coarse_align
