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

/// A vector holds shifts, and pixels pass one after the other.
void masked_sums(const float* patch, const float* patch_inside, const float* other, const float* other_inside,
                 long width, long shifts, const RowSums& out) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  for (long i = 0; i < shifts; i += lanes) {
    auto n = hn::Zero(d), a = n, b = n, aa = n, bb = n, ab = n;
    for (long x = 0; x < width; ++x) {
      const auto m = hn::Mul(hn::Set(d, patch_inside[x]), hn::LoadU(d, other_inside + x + i));
      const auto u = hn::Mul(m, hn::Set(d, patch[x])), v = hn::Mul(m, hn::LoadU(d, other + x + i));
      n = hn::Add(n, m);
      a = hn::Add(a, u);
      b = hn::Add(b, v);
      aa = hn::Add(aa, hn::Mul(u, u));
      bb = hn::Add(bb, hn::Mul(v, v));
      ab = hn::Add(ab, hn::Mul(u, v));
    }
    hn::StoreU(n, d, out.n + i);
    hn::StoreU(a, d, out.a + i);
    hn::StoreU(b, d, out.b + i);
    hn::StoreU(aa, d, out.aa + i);
    hn::StoreU(bb, d, out.bb + i);
    hn::StoreU(ab, d, out.ab + i);
  }
}

void own_sums(const float* other, long width, long shifts, float* HWY_RESTRICT b, float* HWY_RESTRICT bb) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  for (long i = 0; i < shifts; i += lanes) {
    auto sum = hn::Zero(d), squares = sum;
    for (long x = 0; x < width; ++x) {
      const auto v = hn::LoadU(d, other + x + i);
      sum = hn::Add(sum, v);
      squares = hn::Add(squares, hn::Mul(v, v));
    }
    hn::StoreU(sum, d, b + i);
    hn::StoreU(squares, d, bb + i);
  }
}

void product_sums(const float* patch, const float* other, long width, long shifts, float* HWY_RESTRICT ab) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  for (long i = 0; i < shifts; i += lanes) {
    auto sum = hn::Zero(d);
    for (long x = 0; x < width; ++x)
      sum = hn::Add(sum, hn::Mul(hn::Set(d, patch[x]), hn::LoadU(d, other + x + i)));
    hn::StoreU(sum, d, ab + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::coarse_align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::coarse_align {

HWY_EXPORT(masked_sums);
HWY_EXPORT(own_sums);
HWY_EXPORT(product_sums);

void masked_sums(const float* patch, const float* patch_inside, const float* other, const float* other_inside,
                 long width, long shifts, const RowSums& out) {
  HWY_DYNAMIC_DISPATCH(masked_sums)(patch, patch_inside, other, other_inside, width, shifts, out);
}
void own_sums(const float* other, long width, long shifts, float* b, float* bb) {
  HWY_DYNAMIC_DISPATCH(own_sums)(other, width, shifts, b, bb);
}
void product_sums(const float* patch, const float* other, long width, long shifts, float* ab) {
  HWY_DYNAMIC_DISPATCH(product_sums)(patch, other, width, shifts, ab);
}

}  // namespace petavox::coarse_align
#endif
