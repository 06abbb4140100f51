#pragma once
// Loops over pixels and displacements, one copy for each set of vector instructions. Everything is a sum of
// integers, or an expression of one displacement: the bits are the same in every copy.

#include <cstdint>

namespace petavox::align {

/// Maps over displacements have rows of whole steps of this many.
inline constexpr long displacement_step = 8;

/// out[j * columns + i] = sum over y, x < side of a(y, x) b(y + j, x + i), for j < rows and i < columns, a
/// multiple of displacement_step. Both have rows of `stride` elements; b_pairs(y, x) is b(y, x) in its low
/// and b(y, x + 1) in its high half. Expects values of at most 2^7 in absolute value in one of a and b and
/// 2^14 in the product, and side <= 256, so that sums fit.
void correlate_cell(const std::int16_t* a, const std::int32_t* b_pairs, long stride, long side, long rows,
                    long columns, std::int32_t* out);

/// to[i] += scale from[i].
void add_scaled(const std::int32_t* from, double scale, long n, double* to);
void add_sums(const double* from, long n, double* to);
void add_constant(double value, long n, double* to);

/// Sums over squares, by integral images: `integral` points at the entry before the first pixel of the square
/// at displacement (0, 0); to[j * columns + i] += sum over the square of edge `side` at (j, i).
void add_boxes(const double* integral, long stride, long side, long rows, long columns, double* to);

/// What is summed over the pixels that are valid in both, for one displacement each.
struct OverlapSums {
  const double *products, *count;  ///< a b; 1
  const double *a, *b, *aa, *bb;
};

/// scores[i] = c |c|, c Pearson's correlation over the overlap; no_score where fewer than `least_count`
/// pixels overlap or either variance is below `least_variance`.
void scores_of(const OverlapSums& sums, double least_count, double least_variance, long n, double* scores);
inline constexpr double no_score = -2;

}  // namespace petavox::align
