#pragma once
// Where each section is placed before the fine alignment: an affine transform from the canvas to the section.

#include "stages/align/field.hpp"
#include "stages/coarse_align/affine.hpp"

namespace petavox::align {

using Placement = coarse_align::Affine;

/// The section's pixel that a placement shows at a canvas pixel.
inline Vec2 source_of(const Placement& placement, Vec2 canvas) {
  return {placement.y(canvas.y, canvas.x), placement.x(canvas.y, canvas.x)};
}

}  // namespace petavox::align
