#include "petavox/base/simd_targets.hpp"

#include "stages/coarse_align/patch_sums.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/coarse_align/patch_sums_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// With contraction off, every target does the same operations in the same order: the bits are the same.
HWY_BEFORE_NAMESPACE();
namespace petavox::coarse_align {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A vector holds shifts, and pixels pass one after the other.
using Floats = hn::CappedTag<float, 16>;
using Doubles = hn::CappedTag<double, 8>;
constexpr Floats floats;
constexpr Doubles doubles;
using Float = hn::Vec<Floats>;
using Double = hn::Vec<Doubles>;
constexpr int halves = static_cast<int>(hn::MaxLanes(floats) / hn::MaxLanes(doubles));
constexpr int lanes_of_half = static_cast<int>(hn::MaxLanes(doubles));

/// The sums over rows for a vector of shifts.
struct Total {
  Double sum[halves];
  HWY_INLINE void clear() {
    for (int h = 0; h < halves; ++h) sum[h] = hn::Zero(doubles);
  }
  HWY_INLINE void add(const float* row) {
    const hn::Rebind<float, Doubles> narrow;
    for (int h = 0; h < halves; ++h)
      sum[h] = hn::Add(sum[h], hn::PromoteTo(doubles, hn::LoadU(narrow, row + h * lanes_of_half)));
  }
  HWY_INLINE void add(Float row) {
    HWY_ALIGN float values[hn::MaxLanes(floats)];
    hn::Store(row, floats, values);
    add(values);
  }
  HWY_INLINE void add_to_all(double of_row) {
    for (int h = 0; h < halves; ++h) sum[h] = hn::Add(sum[h], hn::Set(doubles, of_row));
  }
};

/// Of m, m u, m v, m u u, m v v, m u v, with u of the patch, v of the other image, m the product of both
/// masks.
struct Totals {
  Total n, a, b, aa, bb, ab;
};

HWY_INLINE void store_scores(const Totals& t, double area, const Threshold& threshold, double* scores) {
  const auto flat = hn::Set(doubles, threshold.flat * threshold.flat);
  for (int h = 0; h < halves; ++h) {
    const auto n = t.n.sum[h], a = t.a.sum[h], b = t.b.sum[h];
    const auto va = hn::Sub(t.aa.sum[h], hn::Div(hn::Mul(a, a), n));
    const auto vb = hn::Sub(t.bb.sum[h], hn::Div(hn::Mul(b, b), n));
    const auto least = hn::Mul(flat, n);
    const auto counts =
        hn::And(hn::And(hn::Ge(n, hn::Set(doubles, 1.0)),
                        hn::Ge(hn::Div(n, hn::Set(doubles, area)), hn::Set(doubles, threshold.min_share))),
                hn::And(hn::Gt(va, least), hn::Gt(vb, least)));
    const auto score = hn::Div(hn::Sub(t.ab.sum[h], hn::Div(hn::Mul(a, b), n)), hn::Sqrt(hn::Mul(va, vb)));
    hn::StoreU(hn::IfThenElse(counts, score, hn::Set(doubles, -1.0)), doubles, scores + h * lanes_of_half);
  }
}

/// Products of `rows` rows from y on, all of them whole, for `vectors` vectors of shifts: so many sums grow
/// at once that none waits for itself.
template <int vectors, int rows>
HWY_INLINE void add_products(const PatchRows& patch, const PatchRows& other, long y, long width, long shift,
                             Totals* totals) {
  constexpr int lanes = static_cast<int>(hn::MaxLanes(floats));
  Float sums[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < vectors; ++k) sums[r][k] = hn::Zero(floats);
  const float *const u = patch.values + y * patch.stride, *const v = other.values + y * other.stride + shift;
  for (long x = 0; x < width; ++x)
    for (int r = 0; r < rows; ++r) {
      const auto pixel = hn::Set(floats, u[r * patch.stride + x]);
      for (int k = 0; k < vectors; ++k)
        sums[r][k] =
            hn::Add(sums[r][k], hn::Mul(pixel, hn::LoadU(floats, v + r * other.stride + x + k * lanes)));
    }
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < vectors; ++k) {
      Totals& t = totals[k];
      const long at = (y + r) * other.sums_stride + shift + k * lanes;
      t.n.add_to_all(static_cast<double>(width));
      t.a.add_to_all(static_cast<double>(patch.sums[y + r]));
      t.aa.add_to_all(static_cast<double>(patch.squares[y + r]));
      t.b.add(other.sums + at);
      t.bb.add(other.squares + at);
      t.ab.add(sums[r][k]);
    }
}

HWY_INLINE void add_masked(const PatchRows& patch, const PatchRows& other, long y, long width, long shift,
                           Totals& t) {
  auto n = hn::Zero(floats), a = n, b = n, aa = n, bb = n, ab = n;
  const long at_patch = y * patch.stride, at_other = y * other.stride + shift;
  for (long x = 0; x < width; ++x) {
    const auto m =
        hn::Mul(hn::Set(floats, patch.inside[at_patch + x]), hn::LoadU(floats, other.inside + at_other + x));
    const auto u = hn::Mul(m, hn::Set(floats, patch.values[at_patch + x]));
    const auto v = hn::Mul(m, hn::LoadU(floats, other.values + at_other + x));
    n = hn::Add(n, m);
    a = hn::Add(a, u);
    b = hn::Add(b, v);
    aa = hn::Add(aa, hn::Mul(u, u));
    bb = hn::Add(bb, hn::Mul(v, v));
    ab = hn::Add(ab, hn::Mul(u, v));
  }
  t.n.add(n);
  t.a.add(a);
  t.b.add(b);
  t.aa.add(aa);
  t.bb.add(bb);
  t.ab.add(ab);
}

template <int vectors>
HWY_INLINE void correlations_of(const PatchRows& patch, const PatchRows& other, long height, long width,
                                long shift, const Threshold& threshold, double* scores) {
  constexpr int lanes = static_cast<int>(hn::MaxLanes(floats));
  Totals totals[vectors];
  for (Totals& t : totals)
    for (Total* one : {&t.n, &t.a, &t.b, &t.aa, &t.bb, &t.ab}) one->clear();
  const auto whole = [&](long y) { return patch.whole[y] != 0 && other.whole[y] != 0; };
  for (long y = 0; y < height;) {
    if (!whole(y)) {
      for (int k = 0; k < vectors; ++k) add_masked(patch, other, y, width, shift + k * lanes, totals[k]);
      ++y;
    } else if (y + 1 < height && whole(y + 1)) {
      add_products<vectors, 2>(patch, other, y, width, shift, totals);
      y += 2;
    } else {
      add_products<vectors, 1>(patch, other, y, width, shift, totals);
      ++y;
    }
  }
  for (int k = 0; k < vectors; ++k)
    store_scores(totals[k], static_cast<double>(height * width), threshold, scores + shift + k * lanes);
}

void correlations(const PatchRows& patch, const PatchRows& other, long height, long width, long shifts,
                  const Threshold& threshold, double* scores) {
  constexpr auto lanes = static_cast<long>(hn::MaxLanes(floats));
  long i = 0;
  for (; i + lanes < shifts; i += 2 * lanes)
    correlations_of<2>(patch, other, height, width, i, threshold, scores);
  if (i < shifts) correlations_of<1>(patch, other, height, width, i, threshold, scores);
}

void own_sums(const float* other, long width, long shifts, float* HWY_RESTRICT sums,
              float* HWY_RESTRICT squares) {
  constexpr auto lanes = static_cast<long>(hn::MaxLanes(floats));
  for (long i = 0; i < shifts; i += lanes) {
    auto sum = hn::Zero(floats), square = sum;
    for (long x = 0; x < width; ++x) {
      const auto v = hn::LoadU(floats, other + x + i);
      sum = hn::Add(sum, v);
      square = hn::Add(square, hn::Mul(v, v));
    }
    hn::StoreU(sum, floats, sums + i);
    hn::StoreU(square, floats, squares + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::coarse_align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::coarse_align {

HWY_EXPORT(own_sums);
HWY_EXPORT(correlations);

void own_sums(const float* other, long width, long shifts, float* sums, float* squares) {
  HWY_DYNAMIC_DISPATCH(own_sums)(other, width, shifts, sums, squares);
}
void correlations(const PatchRows& patch, const PatchRows& other, long height, long width, long shifts,
                  const Threshold& threshold, double* scores) {
  HWY_DYNAMIC_DISPATCH(correlations)(patch, other, height, width, shifts, threshold, scores);
}

}  // namespace petavox::coarse_align
#endif
