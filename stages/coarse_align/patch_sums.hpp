#pragma once
// The sums of the correlation of a patch with another image, for a row of shifts at once. Each shift's sums
// are added in the order of the pixels, so every instruction set computes the same bits.

namespace petavox::coarse_align {

/// Sums over the pixels x < width of one row, of a shift i: of m, m u, m v, m u u, m v v, m u v, with u of
/// the patch, v of the other image at x + i, m the product of both masks (0 or 1).
struct RowSums {
  float *n, *a, *b, *aa, *bb, *ab;
};

/// All six, for the shifts i < shifts. `other` and `other_inside` hold width + padded(shifts) values, the
/// outputs padded(shifts).
void masked_sums(const float* patch, const float* patch_inside, const float* other, const float* other_inside,
                 long width, long shifts, const RowSums& out);
/// Only b and bb, where everything is inside.
void own_sums(const float* other, long width, long shifts, float* b, float* bb);
/// Only ab, where everything is inside.
void product_sums(const float* patch, const float* other, long width, long shifts, float* ab);

/// Shifts that are computed for so many.
constexpr long padded(long shifts) { return (shifts + 15) / 16 * 16; }

}  // namespace petavox::coarse_align
