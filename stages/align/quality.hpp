#pragma once
// How good an alignment is, node by node: correlation of neighbouring sections before and after, what remains
// of the matches, how much area is stretched.

#include "stages/align/placement.hpp"

namespace petavox::align {

/// Channels of the quality, float32.
enum QualityChannel {
  quality_residual,  ///< pixels by which the match with the section before is missed; -1: there is none
  quality_state,     ///< MatchState of that match
  quality_before,    ///< correlation with the section before, pixel by pixel in the node's cell; -2: unknown
  quality_after,     ///< the same of the aligned sections
  quality_area,      ///< pixels of the section per pixel of the canvas (determinant of the Jacobian)
  quality_channels
};

/// Pearson correlation of sections z and z - 1 over the pixels of `cell` that hold something in both (are not
/// `background`); -2 if these are fewer than half of the cell or of one grey level. Exact sums.
double cell_correlation(const Array& image, Index z, const Box& cell, double background);

/// Determinant of the map from canvas to section at a node, by central differences (one-sided at the domain's
/// faces).
double area_at(const Placement& placement, const Array& field, Coord node, Index spacing);

}  // namespace petavox::align
