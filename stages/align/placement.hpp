#pragma once
// Where each section is placed before the fine alignment: an affine transform from the canvas to the section,
// kept as integers so that every reader computes with the same bits.

#include "petavox/volume/array.hpp"

#include "stages/align/field.hpp"

namespace petavox::align {

/// Source pixel = matrix (canvas pixel) + shift.
struct Placement {
  double yy = 1, yx = 0, y0 = 0;
  double xy = 0, xx = 1, x0 = 0;

  Vec2 source(Vec2 canvas) const {
    return {yy * canvas.y + yx * canvas.x + y0, xy * canvas.y + xx * canvas.x + x0};
  }
  Placement inverse() const;
  /// First `first`, then this.
  Placement after(const Placement& first) const;
};

/// A column of sections: domain {z0..z1, 0..1, 0..1}, int64: yy yx y0 xy xx x0 in units of 2^-32, then
/// 1 for a section that was found bad, then the confidence in 1/1024.
inline constexpr int placement_channels = 8;
inline constexpr int placement_bad = 6, placement_confidence = 7;
Box column_of(const Box& domain);
Placement placement_at(View<const std::int64_t> column, Index z);
void set_placement(View<std::int64_t> column, Index z, const Placement& placement);

}  // namespace petavox::align
