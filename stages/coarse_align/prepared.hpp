#pragma once
// A section as the search sees it: its content alone, reduced by a whole factor, local contrast made even.

#include "stages/coarse_align/affine.hpp"
#include "stages/coarse_align/kernel.hpp"
#include "stages/coarse_align/plane.hpp"

namespace petavox::coarse_align {

struct Prepared {
  Plane image, inside;
  Plane smooth, smoother;  // the image through Gaussians of 1 and 2 pixels: many places of it are looked at
  double factor = 1, y0 = 0,
         x0 = 0;  // pixel (y, x) of the planes is y0 + factor (y + 0.5) - 0.5 of the section
};

/// Throws Error{contract} if the section has more than one plane or channel, or its mask another box.
void check(const Section& section);
/// The box of pixels that hold something.
Box content_of(const Section& section);
/// `content` of the section, reduced by `factor`.
Prepared prepared(const Section& section, const Box& content, Index factor);
/// The same section turned over.
Prepared mirrored(const Prepared& p);
/// From pixels of a section to those of its planes.
Affine into_planes(const Prepared& p);
/// From pixels of `moving` to those of `fixed`, both prepared, if the sections lie as they were given.
Affine as_given(const Prepared& fixed, const Prepared& moving);

}  // namespace petavox::coarse_align
