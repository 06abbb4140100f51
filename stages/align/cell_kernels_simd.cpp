#include "petavox/base/simd_targets.hpp"

#include "stages/align/cell_kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/align/cell_kernels_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::align {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void correlate_cell(const std::int16_t* a, const std::int32_t* b_pairs, long stride, long side, long rows,
                    long columns, std::int32_t* HWY_RESTRICT out) {
  for (long j = 0; j < rows; ++j) {
    std::int32_t* const to = out + j * columns;
    for (long i = 0; i < columns; ++i) to[i] = 0;
    for (long y = 0; y < side; ++y)
      for (long x = 0; x < side; ++x) {
        const std::int32_t value = a[y * stride + x];
        const std::int32_t* const b = b_pairs + (y + j) * stride + x;
        for (long i = 0; i < columns; ++i) to[i] += value * static_cast<std::int16_t>(b[i] & 0xffff);
      }
  }
}

#else

/// Pixels x and x + 1 as the halves of one number.
HWY_INLINE std::int32_t pair_at(const std::int16_t* a) {
  std::int32_t pair;
  __builtin_memcpy(&pair, a, sizeof pair);
  return pair;
}

/// Displacements (j, i) of `height` rows and `vectors` vectors: their sums stay in registers while all pixels
/// of the cell pass, two rows of them at a time, so that what is loaded of b serves both.
template <int height, int vectors, class D>
HWY_INLINE void correlate_block(D d, const std::int16_t* a, const std::int32_t* b_pairs, long stride,
                                long side, long columns, std::int32_t* HWY_RESTRICT out) {
  const hn::RepartitionToNarrow<D> halves;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  hn::Vec<D> sums[height][vectors], more[height][vectors];
  for (int j = 0; j < height; ++j)
    for (int v = 0; v < vectors; ++v) sums[j][v] = more[j][v] = hn::Zero(d);
  // Unrolled by order: of loops this long the compiler keeps the sums in memory.
  const auto add = [&](auto both, std::int32_t upper, std::int32_t lower, const std::int32_t* b) HWY_ATTR {
    const auto first = hn::BitCast(halves, hn::Set(d, upper)),
               second = hn::BitCast(halves, hn::Set(d, lower));
#pragma GCC unroll 8
    for (int j = 0; j < height + (both ? 1 : 0); ++j)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        const auto there = hn::BitCast(halves, hn::LoadU(d, b + j * stride + v * lanes));
        if (j < height) sums[j][v] = hn::ReorderWidenMulAccumulate(d, first, there, sums[j][v], more[j][v]);
        if (both && j > 0)
          sums[j - 1][v] = hn::ReorderWidenMulAccumulate(d, second, there, sums[j - 1][v], more[j - 1][v]);
      }
  };
  constexpr std::true_type two;
  constexpr std::false_type one;
  long y = 0;
  for (; y + 1 < side; y += 2) {
    const std::int16_t *const upper = a + y * stride, *const lower = upper + stride;
    const std::int32_t* const b = b_pairs + y * stride;
    long x = 0;
    for (; x + 1 < side; x += 2) add(two, pair_at(upper + x), pair_at(lower + x), b + x);
    if (x < side) add(two, upper[x] & 0xffff, lower[x] & 0xffff, b + x);
  }
  if (y < side) {
    const std::int16_t* const row = a + y * stride;
    const std::int32_t* const b = b_pairs + y * stride;
    long x = 0;
    for (; x + 1 < side; x += 2) add(one, pair_at(row + x), 0, b + x);
    if (x < side) add(one, row[x] & 0xffff, 0, b + x);
  }
  for (int j = 0; j < height; ++j)
    for (int v = 0; v < vectors; ++v)
      hn::StoreU(hn::RearrangeToOddPlusEven(sums[j][v], more[j][v]), d, out + j * columns + v * lanes);
}

template <int vectors, class D>
HWY_INLINE void correlate_columns(D d, const std::int16_t* a, const std::int32_t* b_pairs, long stride,
                                  long side, long rows, long columns, std::int32_t* HWY_RESTRICT out) {
  long j = 0;
  for (; j + 5 <= rows; j += 5)
    correlate_block<5, vectors>(d, a, b_pairs + j * stride, stride, side, columns, out + j * columns);
  for (; j + 2 <= rows; j += 2)
    correlate_block<2, vectors>(d, a, b_pairs + j * stride, stride, side, columns, out + j * columns);
  for (; j < rows; ++j)
    correlate_block<1, vectors>(d, a, b_pairs + j * stride, stride, side, columns, out + j * columns);
}

void correlate_cell(const std::int16_t* a, const std::int32_t* b_pairs, long stride, long side, long rows,
                    long columns, std::int32_t* HWY_RESTRICT out) {
  const hn::CappedTag<std::int32_t, 2 * displacement_step> wide;
  const hn::CappedTag<std::int32_t, displacement_step> d;
  const auto lanes = static_cast<long>(hn::Lanes(wide)), least = static_cast<long>(hn::Lanes(d));
  long i = 0;
  for (; i + 2 * lanes <= columns; i += 2 * lanes)
    correlate_columns<2>(wide, a, b_pairs + i, stride, side, rows, columns, out + i);
  for (; i + lanes <= columns; i += lanes)
    correlate_columns<1>(wide, a, b_pairs + i, stride, side, rows, columns, out + i);
  for (; i < columns; i += least)
    correlate_columns<1>(d, a, b_pairs + i, stride, side, rows, columns, out + i);
}

#endif

void add_scaled(const std::int32_t* from, double scale, long n, double* HWY_RESTRICT to) {
  for (long i = 0; i < n; ++i) to[i] += scale * from[i];
}

void add_integers(const std::int32_t* from, long n, std::int32_t* HWY_RESTRICT to) {
  for (long i = 0; i < n; ++i) to[i] += from[i];
}
void add_doubles(const double* from, long n, double* HWY_RESTRICT to) {
  for (long i = 0; i < n; ++i) to[i] += from[i];
}

/// Modulo 2^32 for integers: what is left is right as a signed number.
HWY_INLINE std::int32_t sum_of(std::uint32_t v) { return static_cast<std::int32_t>(v); }
HWY_INLINE double sum_of(double v) { return v; }

template <class I, class Sum>
HWY_INLINE void boxes_any(const I* integral, const Boxes& at, Sum* HWY_RESTRICT to) {
  const long side = at.side, columns = at.columns;
  for (long j = 0; j < at.rows; ++j) {
    const I* const top = integral + j * at.stride;
    const I* const bottom = top + side * at.stride;
    Sum* const row = to + j * columns;
    for (long i = 0; i < columns; ++i)
      row[i] = sum_of((bottom[i + side] - bottom[i]) - (top[i + side] - top[i]));
  }
}
void boxes_integer(const std::uint32_t* integral, const Boxes& at, std::int32_t* to) {
  boxes_any(integral, at, to);
}
void boxes_double(const double* integral, const Boxes& at, double* to) { boxes_any(integral, at, to); }

template <class Sum>
HWY_INLINE void overlap_any(const OverlapSums<Sum>& s, const Least& least, long n,
                            double* HWY_RESTRICT scores) {
  const double least_variance = least.variance, least_count = least.count;
  for (long i = 0; i < n; ++i) {
    const auto here = static_cast<double>(s.count[i]);
    const double count = here < 1.0 ? 1.0 : here;
    const double a = s.a[i], b = s.b[i];
    const double share = 1.0 / count, mean_a = share * a, mean_b = share * b;
    const double covariance = s.products[i] - mean_a * b;
    const double va = s.aa[i] - mean_a * a, vb = s.bb[i] - mean_b * b;
    const double enough = least_variance * count;
    const double positive = va >= enough && vb >= enough ? va * vb : 1.0;
    const double magnitude = covariance < 0 ? -covariance : covariance;
    const double score = covariance * magnitude / positive;
    scores[i] = count >= least_count && va >= enough && vb >= enough ? score : no_score;
  }
}
void overlap_integer(const OverlapSums<std::int32_t>& s, const Least& least, long n, double* scores) {
  overlap_any(s, least, n, scores);
}
void overlap_double(const OverlapSums<double>& s, const Least& least, long n, double* scores) {
  overlap_any(s, least, n, scores);
}

template <class Sum>
HWY_INLINE void whole_any(const WholeSums<Sum>& s, const Boxes& at, const Least& least,
                          double* HWY_RESTRICT scores) {
  const long side = at.side, columns = at.columns;
  const auto area = static_cast<double>(side * side);
  const double share = 1.0 / area, mean_a = share * s.a, va = s.aa - mean_a * s.a;
  const double enough = least.variance * area;
  const bool possible = area >= least.count && va >= enough;
  for (long j = 0; j < at.rows; ++j) {
    const Sum* const products = s.products + j * columns;
    const auto *const top_b = s.b + j * at.stride, *const bottom_b = top_b + side * at.stride;
    const auto *const top_bb = s.bb + j * at.stride, *const bottom_bb = top_bb + side * at.stride;
    double* const row = scores + j * columns;
    for (long i = 0; i < columns; ++i) {
      const double b = sum_of((bottom_b[i + side] - bottom_b[i]) - (top_b[i + side] - top_b[i]));
      const double bb = sum_of((bottom_bb[i + side] - bottom_bb[i]) - (top_bb[i + side] - top_bb[i]));
      const double covariance = products[i] - mean_a * b, vb = bb - share * b * b;
      const double positive = vb >= enough ? va * vb : 1.0;
      const double magnitude = covariance < 0 ? -covariance : covariance;
      const double score = covariance * magnitude / positive;
      row[i] = possible && vb >= enough ? score : no_score;
    }
  }
}
void whole_integer(const WholeSums<std::int32_t>& s, const Boxes& at, const Least& least, double* scores) {
  whole_any(s, at, least, scores);
}
void whole_double(const WholeSums<double>& s, const Boxes& at, const Least& least, double* scores) {
  whole_any(s, at, least, scores);
}

void greatest_each(const double* scores, long rows, long side, long stride, double* greatest) {
  const hn::ScalableTag<double> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  for (long j = 0; j < rows; ++j) {
    const double* const row = scores + j * stride;
    double most = row[0];
    long i = 0;
    if (side >= lanes) {
      auto all = hn::LoadU(d, row);
      for (i = lanes; i + lanes <= side; i += lanes) all = hn::Max(all, hn::LoadU(d, row + i));
      // The last ones, some of them again.
      all = hn::Max(all, hn::LoadU(d, row + side - lanes));
      most = hn::GetLane(hn::MaxOfLanes(d, all));
      i = side;
    }
    for (; i < side; ++i) most = row[i] > most ? row[i] : most;
    greatest[j] = most;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::align {

HWY_EXPORT(correlate_cell);
HWY_EXPORT(add_scaled);
HWY_EXPORT(add_integers);
HWY_EXPORT(add_doubles);
HWY_EXPORT(boxes_integer);
HWY_EXPORT(boxes_double);
HWY_EXPORT(overlap_integer);
HWY_EXPORT(overlap_double);
HWY_EXPORT(whole_integer);
HWY_EXPORT(whole_double);
HWY_EXPORT(greatest_each);

void correlate_cell(const std::int16_t* a, const std::int32_t* b_pairs, long stride, long side, long rows,
                    long columns, std::int32_t* out) {
  HWY_DYNAMIC_DISPATCH(correlate_cell)(a, b_pairs, stride, side, rows, columns, out);
}
void add_scaled(const std::int32_t* from, double scale, long n, double* to) {
  HWY_DYNAMIC_DISPATCH(add_scaled)(from, scale, n, to);
}
void add_sums(const std::int32_t* from, long n, std::int32_t* to) {
  HWY_DYNAMIC_DISPATCH(add_integers)(from, n, to);
}
void add_sums(const double* from, long n, double* to) { HWY_DYNAMIC_DISPATCH(add_doubles)(from, n, to); }
void boxes_of(const std::uint32_t* integral, const Boxes& boxes, std::int32_t* to) {
  HWY_DYNAMIC_DISPATCH(boxes_integer)(integral, boxes, to);
}
void boxes_of(const double* integral, const Boxes& boxes, double* to) {
  HWY_DYNAMIC_DISPATCH(boxes_double)(integral, boxes, to);
}
void scores_of(const OverlapSums<std::int32_t>& sums, const Least& least, long n, double* scores) {
  HWY_DYNAMIC_DISPATCH(overlap_integer)(sums, least, n, scores);
}
void scores_of(const OverlapSums<double>& sums, const Least& least, long n, double* scores) {
  HWY_DYNAMIC_DISPATCH(overlap_double)(sums, least, n, scores);
}
void scores_of(const WholeSums<std::int32_t>& sums, const Boxes& boxes, const Least& least, double* scores) {
  HWY_DYNAMIC_DISPATCH(whole_integer)(sums, boxes, least, scores);
}
void scores_of(const WholeSums<double>& sums, const Boxes& boxes, const Least& least, double* scores) {
  HWY_DYNAMIC_DISPATCH(whole_double)(sums, boxes, least, scores);
}
void greatest_of_rows(const double* scores, long rows, long side, long stride, double* greatest) {
  HWY_DYNAMIC_DISPATCH(greatest_each)(scores, rows, side, stride, greatest);
}

}  // namespace petavox::align
#endif
