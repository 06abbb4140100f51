#pragma once
// Where a part of a section lies that was moved by some hundred pixels and hardly turned: a search over all
// shifts within a reach and a few turns, at low resolution, of the part as a whole. It finds what is too
// small, or too little alike in detail, for keypoints and patches. Integers; the same bits on every machine.

#include "stages/coarse_align/affine.hpp"
#include "stages/coarse_align/plane.hpp"

#include <optional>

namespace petavox::coarse_align {

/// Of even local contrast; `inside` is not 0 where there is something.
struct Part {
  const Plane& image;
  const Plane& inside;
};

/// From pixels of `moving` to those of `fixed`, to within some pixels of the low resolution, beginning with
/// the pure shift `start`. Nothing, if another place, clearly apart from it, is nearly as much alike: then it
/// could be chance.
std::optional<Affine> nearby(const Part& fixed, const Part& moving, const Affine& start);

}  // namespace petavox::coarse_align
