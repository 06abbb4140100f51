#include "petavox/base/simd_targets.hpp"

#include "stages/boundary/rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/boundary/rows_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// With contraction off, every target does the same operations in the same order: the bits are the same.
HWY_BEFORE_NAMESPACE();
namespace petavox::boundary {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// `vectors` vectors of sums stay in registers while all taps pass over them.
template <int vectors, class D>
HWY_INLINE void weighted_strip(D d, const float* w, int radius, const float* centre, const float* const* low,
                               const float* const* high, float* HWY_RESTRICT out, long begin) {
  const auto lanes = static_cast<long>(hn::Lanes(d));
  hn::Vec<D> sums[vectors];
  for (int k = 0; k < vectors; ++k)
    sums[k] = hn::Mul(hn::Set(d, w[0]), hn::LoadU(d, centre + begin + k * lanes));
  for (int t = 1; t <= radius; ++t) {
    const auto weight = hn::Set(d, w[t]);
    const float* const a = low[t] + begin;
    const float* const b = high[t] + begin;
    for (int k = 0; k < vectors; ++k)
      sums[k] = hn::Add(sums[k],
                        hn::Mul(weight, hn::Add(hn::LoadU(d, a + k * lanes), hn::LoadU(d, b + k * lanes))));
  }
  for (int k = 0; k < vectors; ++k) hn::StoreU(sums[k], d, out + begin + k * lanes);
}

void weighted_sum(const float* w, int radius, const float* centre, const float* const* low,
                  const float* const* high, float* HWY_RESTRICT out, long n) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  long begin = 0;
  for (; begin + 4 * lanes <= n; begin += 4 * lanes)
    weighted_strip<4>(d, w, radius, centre, low, high, out, begin);
  for (; begin + lanes <= n; begin += lanes) weighted_strip<1>(d, w, radius, centre, low, high, out, begin);
  for (; begin < n; ++begin) {
    float sum = w[0] * centre[begin];
    for (int t = 1; t <= radius; ++t) sum += w[t] * (low[t][begin] + high[t][begin]);
    out[begin] = sum;
  }
}

/// 2 cos(2/3 acos(u)) for u in [0, 1], to 4e-7: Chebyshev interpolation of degree 6. (The greatest root of
/// t^3 - 3t = 2h is this at u = sqrt((1 + h) / 2).)
HWY_INLINE float greatest_root(float u) {
  return 1.00000037F +
         u * (1.15466380F +
              u * (-0.22161094F +
                   u * (0.10294953F + u * (-0.05279950F + u * (0.02100351F + u * -0.00420698F)))));
}

void add_ridge(const Neighbourhood& rows, const float* weight, float gradient_weight,
               float* HWY_RESTRICT ridge, long n) {
  const float* const r00 = rows.row[0][0];
  const float* const r01 = rows.row[0][1];
  const float* const r02 = rows.row[0][2];
  const float* const r10 = rows.row[1][0];
  const float* const r11 = rows.row[1][1];
  const float* const r12 = rows.row[1][2];
  const float* const r20 = rows.row[2][0];
  const float* const r21 = rows.row[2][1];
  const float* const r22 = rows.row[2][2];
  const float wz = weight[0], wy = weight[1], wx = weight[2];
  const float wzz = wz * wz, wyy = wy * wy, wxx = wx * wx;
  const float wzy = 0.25F * wz * wy, wzx = 0.25F * wz * wx, wyx = 0.25F * wy * wx;
  for (long i = 0; i < n; ++i) {
    const float twice = 2 * r11[i];
    const float zz = (r21[i] + r01[i] - twice) * wzz;
    const float yy = (r12[i] + r10[i] - twice) * wyy;
    const float xx = (r11[i + 1] + r11[i - 1] - twice) * wxx;
    const float zy = ((r22[i] - r20[i]) - (r02[i] - r00[i])) * wzy;
    const float zx = ((r21[i + 1] - r21[i - 1]) - (r01[i + 1] - r01[i - 1])) * wzx;
    const float yx = ((r12[i + 1] - r12[i - 1]) - (r10[i + 1] - r10[i - 1])) * wyx;
    const float gz = 0.5F * (r21[i] - r01[i]) * wz;
    const float gy = 0.5F * (r12[i] - r10[i]) * wy;
    const float gx = 0.5F * (r11[i + 1] - r11[i - 1]) * wx;

    // The eigenvalues of H are q + p t with t the roots of t^3 - 3t = 2h (Smith 1961).
    const float q = (zz + yy + xx) * (1.0F / 3);
    const float a = zz - q, b = yy - q, c = xx - q;
    const float p2 = (a * a + b * b + c * c + 2 * (zy * zy + zx * zx + yx * yx)) * (1.0F / 6) + 1e-20F;
    const float p = __builtin_sqrtf(p2);
    const float det = a * (b * c - yx * yx) - zy * (zy * c - yx * zx) + zx * (zy * yx - b * zx);
    float h = det / (2 * p2 * p);
    h = h < -1.0F ? -1.0F : h;
    h = h > 1.0F ? 1.0F : h;
    const float greatest = q + p * greatest_root(__builtin_sqrtf(0.5F + 0.5F * h));

    const float response = greatest - gradient_weight * __builtin_sqrtf(gz * gz + gy * gy + gx * gx);
    ridge[i] = ridge[i] < response ? response : ridge[i];
  }
}

void interior_of(const float* ridge, const float* context, const Calibration& calibration,
                 std::uint8_t* HWY_RESTRICT interior, long n) {
  const auto [context_weight, floor, offset, inverse_softness] = calibration;
  for (long i = 0; i < n; ++i) {
    const float surround = context[i] < floor ? floor : context[i];
    float t = (ridge[i] - context_weight * surround - offset) * inverse_softness;
    t = t < 0.0F ? 0.0F : t;
    t = t > 1e6F ? 1e6F : t;
    const float membrane = t * t / (1.0F + t * t);
    interior[i] = static_cast<std::uint8_t>(255 - static_cast<int>(membrane * 255.0F + 0.5F));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::boundary
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::boundary {

HWY_EXPORT(weighted_sum);
HWY_EXPORT(add_ridge);
HWY_EXPORT(interior_of);

void weighted_sum(const float* weights, int radius, const float* centre, const float* const* low,
                  const float* const* high, float* out, long n) {
  HWY_DYNAMIC_DISPATCH(weighted_sum)(weights, radius, centre, low, high, out, n);
}
void add_ridge(const Neighbourhood& rows, const float* weight, float gradient_weight, float* ridge, long n) {
  HWY_DYNAMIC_DISPATCH(add_ridge)(rows, weight, gradient_weight, ridge, n);
}
void interior_of(const float* ridge, const float* context, const Calibration& calibration,
                 std::uint8_t* interior, long n) {
  HWY_DYNAMIC_DISPATCH(interior_of)(ridge, context, calibration, interior, n);
}

}  // namespace petavox::boundary
#endif
