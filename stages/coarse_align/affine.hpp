#pragma once
// Affine transforms of a plane, and the column of placements that stages hand to each other: for each section
// one transform, kept as integers so that every reader computes with the same bits.

#include "petavox/volume/array.hpp"

namespace petavox::coarse_align {

/// (y, x) -> (yy y + yx x + y0, xy y + xx x + x0), in pixels.
struct Affine {
  double yy = 1, yx = 0, y0 = 0;
  double xy = 0, xx = 1, x0 = 0;

  double y(double py, double px) const { return yy * py + yx * px + y0; }
  double x(double py, double px) const { return xy * py + xx * px + x0; }
  double determinant() const { return yy * xx - yx * xy; }
  /// Expects a determinant that is not 0.
  Affine inverse() const;
  /// First `first`, then this.
  Affine after(const Affine& first) const;
  friend bool operator==(const Affine&, const Affine&) = default;
};

/// A transform with a positive determinant as a rotation [cos -sin; sin cos] by `angle` (-pi to pi) followed
/// by a symmetric stretch [yy yx; yx xx]. Its shift is left out.
struct Polar {
  double angle = 0, yy = 1, yx = 0, xx = 1;
};
Polar polar_of(const Affine& transform);

/// A placement takes a canvas pixel to the section's pixel that is shown there. A column of them: domain
/// {z0..z1, 0..1, 0..1}, int64: yy yx y0 xy xx x0 in units of 2^-32, then 1 for a section whose place was not
/// found, then the confidence in 1/1024.
inline constexpr int placement_channels = 8;
inline constexpr int placement_bad = 6, placement_confidence = 7;
Box column_of(const Box& domain);
/// The six numbers of a transform, from channel `first` on, at any place of a view.
Affine load_affine(View<const std::int64_t> view, Coord at, int first = 0);
void store_affine(View<std::int64_t> view, Coord at, const Affine& transform, int first = 0);

}  // namespace petavox::coarse_align
