#include "petavox/base/simd_targets.hpp"

#include "stages/coarse_align/strip_filter.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/coarse_align/strip_filter_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// With contraction off, every target does the same operations in the same order: the bits are the same.
HWY_BEFORE_NAMESPACE();
namespace petavox::coarse_align {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Several rows and vectors at once: so many sums grow that none waits for itself.
template <int rows>
HWY_INLINE void filter_rows(const float* weights, int radius, const float* centre, float* HWY_RESTRICT out) {
  const hn::CappedTag<float, 16> d;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(d)), vectors = 2;
  for (long x = 0; x < strip_width; x += vectors * lanes) {
    hn::Vec<decltype(d)> sums[rows][vectors];
    const auto first = hn::Set(d, weights[0]);
    for (int r = 0; r < rows; ++r)
      for (int k = 0; k < vectors; ++k)
        sums[r][k] = hn::Mul(first, hn::LoadU(d, centre + r * strip_width + x + k * lanes));
    for (int t = 1; t <= radius; ++t) {
      const auto weight = hn::Set(d, weights[t]);
      const float *const low = centre - t * strip_width + x, *const high = centre + t * strip_width + x;
      for (int r = 0; r < rows; ++r)
        for (int k = 0; k < vectors; ++k) {
          const long at = r * strip_width + k * lanes;
          sums[r][k] =
              hn::Add(sums[r][k], hn::Mul(weight, hn::Add(hn::LoadU(d, low + at), hn::LoadU(d, high + at))));
        }
    }
    for (int r = 0; r < rows; ++r)
      for (int k = 0; k < vectors; ++k) hn::StoreU(sums[r][k], d, out + r * strip_width + x + k * lanes);
  }
}

void filter_strip(const float* weights, int radius, const float* centre, long count, float* out) {
  long y = 0;
  for (; y + 2 <= count; y += 2)
    filter_rows<2>(weights, radius, centre + y * strip_width, out + y * strip_width);
  if (y < count) filter_rows<1>(weights, radius, centre + y * strip_width, out + y * strip_width);
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::coarse_align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::coarse_align {

HWY_EXPORT(filter_strip);

void filter_strip(const float* weights, int radius, const float* centre, long count, float* out) {
  HWY_DYNAMIC_DISPATCH(filter_strip)(weights, radius, centre, count, out);
}

}  // namespace petavox::coarse_align
#endif
