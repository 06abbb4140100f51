#include "petavox/base/simd_targets.hpp"

#include "stages/align/resample.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/align/resample_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::align {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <int taps, bool holes, class T>
HWY_INLINE void resample_taps(const T* plane, std::int64_t stride, const Sample* samples, std::int64_t n,
                              T empty, float* HWY_RESTRICT sums) {
  constexpr int width = weights_of_taps<taps>;
  const hn::CappedTag<float, width> d;
  const hn::RebindToSigned<decltype(d)> whole;
  const hn::Rebind<T, decltype(d)> narrow;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(d)), vectors = width / lanes;
  const auto nothing = hn::Set(d, static_cast<float>(empty));
  HWY_ALIGN float columns[width];
  for (std::int64_t i = 0; i < n; ++i) {
    const Sample& s = samples[i];
    const T* row = plane + s.first;
    [[maybe_unused]] const auto nearest = hn::Set(d, holes ? static_cast<float>(plane[s.nearest]) : 0.0F);
    hn::Vec<decltype(d)> total[vectors];
    for (int k = 0; k < vectors; ++k) total[k] = hn::Zero(d);
    for (int b = 0; b < taps; ++b, row += stride) {
      const auto weight = hn::Set(d, s.y[b]);
      for (int k = 0; k < vectors; ++k) {
        auto v = hn::ConvertTo(d, hn::PromoteTo(whole, hn::LoadU(narrow, row + k * lanes)));
        if (holes) v = hn::IfThenElse(hn::Eq(v, nothing), nearest, v);
        total[k] = hn::Add(total[k], hn::Mul(weight, v));
      }
    }
    for (int k = 0; k < vectors; ++k)
      hn::StoreU(hn::Mul(total[k], hn::LoadU(d, s.x + k * lanes)), d, columns + k * lanes);
    const float four = (columns[0] + columns[1]) + (columns[2] + columns[3]);
    sums[i] = taps <= 4 ? four : four + (columns[width - 4] + columns[width - 3]);
  }
}

template <class T>
HWY_INLINE void resample_any(const T* plane, std::int64_t stride, int taps, const Sample* samples,
                             std::int64_t n, const T* empty, float* HWY_RESTRICT sums) {
  if (taps == 4 && empty == nullptr)
    resample_taps<4, false>(plane, stride, samples, n, T{0}, sums);
  else if (taps == 4)
    resample_taps<4, true>(plane, stride, samples, n, *empty, sums);
  else if (empty == nullptr)
    resample_taps<6, false>(plane, stride, samples, n, T{0}, sums);
  else
    resample_taps<6, true>(plane, stride, samples, n, *empty, sums);
}

void resample_u8(const std::uint8_t* plane, std::int64_t stride, int taps, const Sample* samples,
                 std::int64_t n, const std::uint8_t* empty, float* sums) {
  resample_any(plane, stride, taps, samples, n, empty, sums);
}
void resample_u16(const std::uint16_t* plane, std::int64_t stride, int taps, const Sample* samples,
                  std::int64_t n, const std::uint16_t* empty, float* sums) {
  resample_any(plane, stride, taps, samples, n, empty, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::align {

HWY_EXPORT(resample_u8);
HWY_EXPORT(resample_u16);

void resample(const std::uint8_t* plane, std::int64_t stride, int taps, const Sample* samples, std::int64_t n,
              const std::uint8_t* empty, float* sums) {
  HWY_DYNAMIC_DISPATCH(resample_u8)(plane, stride, taps, samples, n, empty, sums);
}
void resample(const std::uint16_t* plane, std::int64_t stride, int taps, const Sample* samples,
              std::int64_t n, const std::uint16_t* empty, float* sums) {
  HWY_DYNAMIC_DISPATCH(resample_u16)(plane, stride, taps, samples, n, empty, sums);
}

}  // namespace petavox::align
#endif
