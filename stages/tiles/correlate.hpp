#pragma once
// Where all of one piece of a tile lies in another: masked normalised cross-correlation. Plain functions.

#include "stages/tiles/pieces.hpp"

#include <optional>

namespace petavox::tiles {

/// Values less their local mean (a Gaussian that sees only content), 0 where there is none. Uneven light
/// would otherwise correlate by itself.
Plane high_passed(const Plane& values, const Plane& inside, double sigma);

/// Means over factor x factor pixels, of those that hold something; inside where at least half do.
Piece reduced(const Piece& piece, Index factor);

struct Shift {
  double dy = 0, dx = 0;   ///< b at p + d looks like a at p, in the frames of the two planes
  double correlation = 0;  ///< -1 to 1
  double second = 0;       ///< the highest correlation elsewhere (more than 4 pixels away)
};

/// The best whole shift d of |d - centre| <= radius per axis, over all of both planes, by Fourier transforms
/// (Padfield 2012, IEEE TIP 21:2706); shifts at which less than `min_share` of the smaller content overlaps
/// are not looked at. Nothing if there is none.
std::optional<Shift> best_shift(const Plane& a, const Plane& a_inside, const Plane& b, const Plane& b_inside,
                                Coord centre, Coord radius, double min_share);

}  // namespace petavox::tiles
