#pragma once
// Where patches of one image lie in another, by normalised correlation over masked pixels. Plain functions;
// every sum runs in a fixed order.

#include "stages/coarse_align/plane.hpp"

#include <optional>

namespace petavox::coarse_align {

/// Half-open, in pixels of a plane.
struct Rect {
  Index y0 = 0, x0 = 0, y1 = 0, x1 = 0;
  Index height() const { return y1 > y0 ? y1 - y0 : 0; }
  Index width() const { return x1 > x0 ? x1 - x0 : 0; }
  bool empty() const { return y1 <= y0 || x1 <= x0; }
  Rect grown(Index by) const { return {y0 - by, x0 - by, y1 + by, x1 + by}; }
  Rect moved(Index dy, Index dx) const { return {y0 + dy, x0 + dx, y1 + dy, x1 + dx}; }
  Rect meet(const Rect& o) const {
    return {y0 > o.y0 ? y0 : o.y0, x0 > o.x0 ? x0 : o.x0, y1 < o.y1 ? y1 : o.y1, x1 < o.x1 ? x1 : o.x1};
  }
};

/// An image, and 1 where it has content, 0 elsewhere.
struct Masked {
  const Plane& values;
  const Plane& inside;
};

struct Peak {
  double dy = 0, dx = 0;   ///< b at p + d looks like a at p, in the frames of the two planes
  double correlation = 0;  ///< -1 to 1
};

/// Where the patch `what` of a (inside a) lies in b: whole shifts within `radius` of (dy, dx) per axis, then
/// between pixels by parabolas through the peak. Nothing if less than 0.7 of the patch has content in both
/// there, its standard deviation is below `flat`, or the peak is at the rim of the search.
std::optional<Peak> match_patch(const Masked& a, const Masked& b, const Rect& what, Index dy, Index dx,
                                Index radius, double flat);

}  // namespace petavox::coarse_align
