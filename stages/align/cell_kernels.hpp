#pragma once
// Loops over pixels and displacements, one copy for each set of vector instructions. Everything is a sum of
// integers, or an expression of one displacement: the bits are the same in every copy.

#include <cstdint>
#include <type_traits>

namespace petavox::align {

/// Maps over displacements have rows of whole steps of this many.
inline constexpr long displacement_step = 8;

/// What sums over patches are counted in, both exact: int32, for 8 bits and patches of less than
/// most_narrow_pixels, and double.
template <class Sum>
inline constexpr bool is_sum = std::is_same_v<Sum, std::int32_t> || std::is_same_v<Sum, double>;
/// Of an image of 8 bits, whose squares are at most 2^14.
inline constexpr long most_narrow_pixels = long{1} << 17;
/// Elements of integral images: for int32, modulo 2^32, which differences do not see.
template <class Sum>
using Integral = std::conditional_t<std::is_same_v<Sum, std::int32_t>, std::uint32_t, double>;

/// out[j * columns + i] = sum over y, x < side of a(y, x) b(y + j, x + i), for j < rows and i < columns, a
/// multiple of displacement_step. Both have rows of `stride` elements; b_pairs(y, x) is b(y, x) in its low
/// and b(y, x + 1) in its high half. Expects values of at most 2^7 in absolute value in one of a and b and
/// 2^14 in the product, and side <= 256, so that sums fit.
void correlate_cell(const std::int16_t* a, const std::int32_t* b_pairs, long stride, long side, long rows,
                    long columns, std::int32_t* out);

/// to[i] += scale from[i].
void add_scaled(const std::int32_t* from, double scale, long n, double* to);
void add_sums(const std::int32_t* from, long n, std::int32_t* to);
void add_sums(const double* from, long n, double* to);

/// A square of `side` pixels, moved by up to rows x columns displacements, over an integral image: `integral`
/// points at the entry before its first pixel at displacement (0, 0).
struct Boxes {
  long stride, side, rows, columns;
};
/// to[j * columns + i] = sum over the square at (j, i).
void boxes_of(const std::uint32_t* integral, const Boxes& boxes, std::int32_t* to);
void boxes_of(const double* integral, const Boxes& boxes, double* to);

/// What is summed over the pixels that are valid in both, for one displacement each.
template <class Sum>
struct OverlapSums {
  const Sum *products, *count;  ///< a b; 1
  const Sum *a, *b, *aa, *bb;
};

/// Below what correlation counts as none.
struct Least {
  double count;     ///< pixels that overlap
  double variance;  ///< of either
};

/// scores[i] = c |c|, c Pearson's correlation over the overlap; no_score where fewer than the least overlap
/// or either varies less.
void scores_of(const OverlapSums<std::int32_t>& sums, const Least& least, long n, double* scores);
void scores_of(const OverlapSums<double>& sums, const Least& least, long n, double* scores);
inline constexpr double no_score = -2;

/// The same where every pixel is valid: the sums of the patch itself, and integral images of what it is
/// sought in.
template <class Sum>
struct WholeSums {
  const Sum* products;
  double a, aa;
  const Integral<Sum>*b, *bb;
};
void scores_of(const WholeSums<std::int32_t>& sums, const Boxes& boxes, const Least& least, double* scores);
void scores_of(const WholeSums<double>& sums, const Boxes& boxes, const Least& least, double* scores);

/// The greatest of each row of `side` scores, rows `stride` apart.
void greatest_of_rows(const double* scores, long rows, long side, long stride, double* greatest);

}  // namespace petavox::align
