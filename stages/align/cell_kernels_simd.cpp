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
/// of the cell pass.
template <int height, int vectors, class D>
HWY_INLINE void correlate_block(D d, const std::int16_t* a, const std::int32_t* b_pairs, long stride,
                                long side, long columns, std::int32_t* HWY_RESTRICT out) {
  const hn::RepartitionToNarrow<D> halves;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  hn::Vec<D> sums[height][vectors], more[height][vectors];
  for (int j = 0; j < height; ++j)
    for (int v = 0; v < vectors; ++v) sums[j][v] = more[j][v] = hn::Zero(d);
  const auto add = [&](std::int32_t pair, const std::int32_t* b) HWY_ATTR {
    const auto value = hn::BitCast(halves, hn::Set(d, pair));
    for (int j = 0; j < height; ++j)
      for (int v = 0; v < vectors; ++v)
        sums[j][v] = hn::ReorderWidenMulAccumulate(
            d, value, hn::BitCast(halves, hn::LoadU(d, b + j * stride + v * lanes)), sums[j][v], more[j][v]);
  };
  for (long y = 0; y < side; ++y) {
    const std::int16_t* const row = a + y * stride;
    const std::int32_t* const b = b_pairs + y * stride;
    long x = 0;
    for (; x + 1 < side; x += 2) add(pair_at(row + x), b + x);
    if (x < side) add(row[x] & 0xffff, b + x);
  }
  for (int j = 0; j < height; ++j)
    for (int v = 0; v < vectors; ++v)
      hn::StoreU(hn::RearrangeToOddPlusEven(sums[j][v], more[j][v]), d, out + j * columns + v * lanes);
}

template <int vectors, class D>
HWY_INLINE void correlate_columns(D d, const std::int16_t* a, const std::int32_t* b_pairs, long stride,
                                  long side, long rows, long columns, std::int32_t* HWY_RESTRICT out) {
  long j = 0;
  for (; j + 2 <= rows; j += 2)
    correlate_block<2, vectors>(d, a, b_pairs + j * stride, stride, side, columns, out + j * columns);
  for (; j < rows; ++j)
    correlate_block<1, vectors>(d, a, b_pairs + j * stride, stride, side, columns, out + j * columns);
}

void correlate_cell(const std::int16_t* a, const std::int32_t* b_pairs, long stride, long side, long rows,
                    long columns, std::int32_t* HWY_RESTRICT out) {
  const hn::CappedTag<std::int32_t, displacement_step> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  long i = 0;
  for (; i + 3 * lanes <= columns; i += 3 * lanes)
    correlate_columns<3>(d, a, b_pairs + i, stride, side, rows, columns, out + i);
  for (; i + 2 * lanes <= columns; i += 2 * lanes)
    correlate_columns<2>(d, a, b_pairs + i, stride, side, rows, columns, out + i);
  for (; i < columns; i += lanes)
    correlate_columns<1>(d, a, b_pairs + i, stride, side, rows, columns, out + i);
}

#endif

void add_scaled(const std::int32_t* from, double scale, long n, double* HWY_RESTRICT to) {
  for (long i = 0; i < n; ++i) to[i] += scale * from[i];
}

void add_sums(const double* from, long n, double* HWY_RESTRICT to) {
  for (long i = 0; i < n; ++i) to[i] += from[i];
}

void add_constant(double value, long n, double* HWY_RESTRICT to) {
  for (long i = 0; i < n; ++i) to[i] += value;
}

void add_boxes(const double* integral, long stride, long side, long rows, long columns,
               double* HWY_RESTRICT to) {
  for (long j = 0; j < rows; ++j) {
    const double* const top = integral + j * stride;
    const double* const bottom = top + side * stride;
    double* const row = to + j * columns;
    for (long i = 0; i < columns; ++i) row[i] += (bottom[i + side] - bottom[i]) - (top[i + side] - top[i]);
  }
}

void scores_of(const OverlapSums& s, double least_count, double least_variance, long n,
               double* HWY_RESTRICT scores) {
  for (long i = 0; i < n; ++i) {
    const double count = s.count[i] < 1.0 ? 1.0 : s.count[i];
    const double share = 1.0 / count, mean_a = share * s.a[i], mean_b = share * s.b[i];
    const double covariance = s.products[i] - mean_a * s.b[i];
    const double va = s.aa[i] - mean_a * s.a[i], vb = s.bb[i] - mean_b * s.b[i];
    const double least = least_variance * count;
    const double positive = va >= least && vb >= least ? va * vb : 1.0;
    const double magnitude = covariance < 0 ? -covariance : covariance;
    const double score = covariance * magnitude / positive;
    scores[i] = count >= least_count && va >= least && vb >= least ? score : no_score;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::align {

HWY_EXPORT(correlate_cell);
HWY_EXPORT(add_scaled);
HWY_EXPORT(add_sums);
HWY_EXPORT(add_constant);
HWY_EXPORT(add_boxes);
HWY_EXPORT(scores_of);

void correlate_cell(const std::int16_t* a, const std::int32_t* b_pairs, long stride, long side, long rows,
                    long columns, std::int32_t* out) {
  HWY_DYNAMIC_DISPATCH(correlate_cell)(a, b_pairs, stride, side, rows, columns, out);
}
void add_scaled(const std::int32_t* from, double scale, long n, double* to) {
  HWY_DYNAMIC_DISPATCH(add_scaled)(from, scale, n, to);
}
void add_sums(const double* from, long n, double* to) { HWY_DYNAMIC_DISPATCH(add_sums)(from, n, to); }
void add_constant(double value, long n, double* to) { HWY_DYNAMIC_DISPATCH(add_constant)(value, n, to); }
void add_boxes(const double* integral, long stride, long side, long rows, long columns, double* to) {
  HWY_DYNAMIC_DISPATCH(add_boxes)(integral, stride, side, rows, columns, to);
}
void scores_of(const OverlapSums& sums, double least_count, double least_variance, long n, double* scores) {
  HWY_DYNAMIC_DISPATCH(scores_of)(sums, least_count, least_variance, n, scores);
}

}  // namespace petavox::align
#endif
