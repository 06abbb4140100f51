#pragma once
// The correlations of a patch with another image, for a row of shifts at once. Each shift's sums are added in
// the order of the pixels, those of a row in single precision, those of rows in double, so every instruction
// set computes the same bits.

#include <cstdint>

namespace petavox::coarse_align {

/// Rows of pixels, `stride` apart; pixels that are not inside (1, else 0) are 0. `whole`: all of a row are.
struct PatchRows {
  const float *values, *inside;
  const std::uint8_t* whole;
  long stride;
  /// Sums over each row and its squares: of a patch one for each row, of the other image one for each shift
  /// of each row, `sums_stride` apart (of whole rows only).
  const float *sums, *squares;
  long sums_stride;
};

/// Sums, and sums of squares, of `width` pixels from each shift i < padded(shifts) on.
void own_sums(const float* other, long width, long shifts, float* sums, float* squares);

/// What counts as found.
struct Threshold {
  double flat;       ///< least standard deviation of either
  double min_share;  ///< of the patch that must be inside in both
};
/// Of a patch of height x width pixels with the pixels of `other` from each shift i < padded(shifts) on; -1
/// where that does not count. Rows of `other` hold width + padded(shifts) pixels.
void correlations(const PatchRows& patch, const PatchRows& other, long height, long width, long shifts,
                  const Threshold& threshold, double* scores);

/// Shifts that are computed for so many.
constexpr long padded(long shifts) { return (shifts + 15) / 16 * 16; }

}  // namespace petavox::coarse_align
