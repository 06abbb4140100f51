#pragma once
// A field that nowhere folds over: where the map x -> x + D(x) that it draws would, or would nearly, what
// matches said there is wrong, and the surroundings say better.

#include "petavox/volume/array.hpp"

#include <cstdint>

namespace petavox::align {

/// Whether the map keeps its orientation everywhere in the cell between nodes (j, i) and (j + 1, i + 1) of
/// section z, one node beyond the domain included, as FieldSection interpolates it: its area per pixel, the
/// determinant of the derivative, is at least `least_area`. Sufficient, not necessary: the determinant is a
/// polynomial of degree (5, 5), and what is tested are its Bernstein coefficients, which enclose it (Farin
/// 2002, Curves and Surfaces for CAGD, ch. 6).
bool keeps_orientation(View<const std::int32_t> field, Index z, Index spacing, Index j, Index i,
                       double least_area);

/// Replaces, in each section of `field` (field.hpp, whole sections), the displacements round cells that do
/// not keep their orientation by the harmonic continuation of those beside them: of the nodes of such cells,
/// then of ever wider surroundings, until all cells keep theirs. Returns how many nodes were replaced. Ends,
/// because a whole section so replaced is only shifted.
Index unfold(Array& field, Index spacing);

/// The least area, in pixels of the section per pixel of the canvas, that unfold() leaves.
inline constexpr double least_area_kept = 0.05;

}  // namespace petavox::align
