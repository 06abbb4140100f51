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

bool locate_all(const double* ys, const double* xs, std::int64_t n, const Plot& plot,
                std::int32_t* HWY_RESTRICT first, std::int32_t* HWY_RESTRICT nearest,
                std::int32_t* HWY_RESTRICT phase_y, std::int32_t* HWY_RESTRICT phase_x,
                std::int32_t* HWY_RESTRICT place) {
  // Nothing that lies farther outside than this counts, so positions fit into 32 bits.
  constexpr int margin = 8;
  const auto whole = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
  const std::int32_t y_begin = whole(plot.y_begin), y_end = whole(plot.y_end), x_begin = whole(plot.x_begin),
                     x_end = whole(plot.x_end), stride = whole(plot.stride), taps = plot.taps,
                     before = taps / 2 - 1, width = taps <= 4 ? weights_of_taps<4> : weights_of_taps<6>;
  const double least_y = y_begin - margin, most_y = y_end + margin, least_x = x_begin - margin,
               most_x = x_end + margin;
  const auto floored = [](double v) {
    const auto toward_zero = static_cast<std::int32_t>(v);
    return toward_zero - static_cast<std::int32_t>(v < toward_zero);
  };
  std::int32_t least = static_cast<std::int32_t>(Place::inside);
  for (std::int64_t i = 0; i < n; ++i) {
    double y = ys[i], x = xs[i];
    y = y < least_y ? least_y : y;
    y = y > most_y ? most_y : y;
    x = x < least_x ? least_x : x;
    x = x > most_x ? most_x : x;
    const std::int32_t fy = floored(y), fx = floored(x), ny = floored(y + 0.5), nx = floored(x + 0.5);
    const std::int32_t y0 = fy - before, x0 = fx - before;
    first[i] = (y0 - y_begin) * stride + (x0 - x_begin);
    nearest[i] = (ny - y_begin) * stride + (nx - x_begin);
    phase_y[i] = static_cast<std::int32_t>((y - fy) * weight_phases + 0.5);
    phase_x[i] = static_cast<std::int32_t>((x - fx) * weight_phases + 0.5);
    const std::int32_t shown = (ny >= y_begin) & (ny < y_end) & (nx >= x_begin) & (nx < x_end);
    const std::int32_t held =
        (y0 >= y_begin) & (y0 + taps <= y_end) & (x0 >= x_begin) & (x0 + width <= x_end);
    const std::int32_t here = shown + (shown & held);
    place[i] = here;
    least = here < least ? here : least;
  }
  return least == static_cast<std::int32_t>(Place::inside);
}

void bounds_of(const double* values, std::int64_t n, double& low, double& high) {
  const hn::ScalableTag<double> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto least = hn::Set(d, values[0]), most = least;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, values + i);
    least = hn::Min(least, v);
    most = hn::Max(most, v);
  }
  low = hn::GetLane(hn::MinOfLanes(d, least));
  high = hn::GetLane(hn::MaxOfLanes(d, most));
  for (; i < n; ++i) {
    low = values[i] < low ? values[i] : low;
    high = values[i] > high ? values[i] : high;
  }
}

template <class T>
HWY_INLINE void saturate_any(const float* sums, std::int64_t n, const T* empty, T* HWY_RESTRICT out) {
  constexpr std::int32_t top = static_cast<T>(~T{0});
  // A value that no pixel has.
  const std::int32_t avoided = empty != nullptr ? *empty : -1,
                     instead = avoided == top ? top - 1 : avoided + 1;
  for (std::int64_t i = 0; i < n; ++i) {
    float v = sums[i];
    v = v > 0 ? v : 0.0F;
    v = v < static_cast<float>(top) ? v : static_cast<float>(top);
    const auto rounded = static_cast<std::int32_t>(v + 0.5F);
    out[i] = static_cast<T>(rounded == avoided ? instead : rounded);
  }
}

void saturate_u8(const float* sums, std::int64_t n, const std::uint8_t* empty, std::uint8_t* out) {
  saturate_any(sums, n, empty, out);
}
void saturate_u16(const float* sums, std::int64_t n, const std::uint16_t* empty, std::uint16_t* out) {
  saturate_any(sums, n, empty, out);
}

template <int taps, bool holes, class T>
HWY_INLINE void resample_taps(const T* plane, std::int64_t stride, const float* table, const Places& places,
                              std::int64_t begin, std::int64_t end, T empty, float* HWY_RESTRICT sums) {
  constexpr int width = weights_of_taps<taps>;
  const hn::CappedTag<float, width> d;
  const hn::RebindToSigned<decltype(d)> whole;
  const hn::Rebind<T, decltype(d)> narrow;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(d)), vectors = width / lanes;
  const auto nothing = hn::Set(d, static_cast<float>(empty));
  HWY_ALIGN float columns[width];
  const std::int32_t *const first = places.first.data(), *const next = places.nearest.data(),
                            *const phase_y = places.phase_y.data(), *const phase_x = places.phase_x.data();
  for (std::int64_t i = begin; i < end; ++i) {
    const float* const by_y = table + std::int64_t{phase_y[i]} * weight_stride;
    const float* const by_x = table + std::int64_t{phase_x[i]} * weight_stride;
    const T* row = plane + first[i];
    [[maybe_unused]] const auto nearest = hn::Set(d, holes ? static_cast<float>(plane[next[i]]) : 0.0F);
    hn::Vec<decltype(d)> total[vectors];
    for (int k = 0; k < vectors; ++k) total[k] = hn::Zero(d);
    for (int b = 0; b < taps; ++b, row += stride) {
      const auto weight = hn::Set(d, by_y[b]);
      for (int k = 0; k < vectors; ++k) {
        auto v = hn::ConvertTo(d, hn::PromoteTo(whole, hn::LoadU(narrow, row + k * lanes)));
        if (holes) v = hn::IfThenElse(hn::Eq(v, nothing), nearest, v);
        total[k] = hn::Add(total[k], hn::Mul(weight, v));
      }
    }
    for (int k = 0; k < vectors; ++k)
      hn::StoreU(hn::Mul(total[k], hn::LoadU(d, by_x + k * lanes)), d, columns + k * lanes);
    const float four = (columns[0] + columns[1]) + (columns[2] + columns[3]);
    sums[i] = taps <= 4 ? four : four + (columns[width - 4] + columns[width - 3]);
  }
}

template <class T>
HWY_INLINE void resample_any(const T* plane, std::int64_t stride, int taps, const float* table,
                             const Places& places, std::int64_t begin, std::int64_t end, const T* empty,
                             float* HWY_RESTRICT sums) {
  if (taps == 4 && empty == nullptr)
    resample_taps<4, false>(plane, stride, table, places, begin, end, T{0}, sums);
  else if (taps == 4)
    resample_taps<4, true>(plane, stride, table, places, begin, end, *empty, sums);
  else if (empty == nullptr)
    resample_taps<6, false>(plane, stride, table, places, begin, end, T{0}, sums);
  else
    resample_taps<6, true>(plane, stride, table, places, begin, end, *empty, sums);
}

void resample_u8(const std::uint8_t* plane, std::int64_t stride, int taps, const float* table,
                 const Places& places, std::int64_t begin, std::int64_t end, const std::uint8_t* empty,
                 float* sums) {
  resample_any(plane, stride, taps, table, places, begin, end, empty, sums);
}
void resample_u16(const std::uint16_t* plane, std::int64_t stride, int taps, const float* table,
                  const Places& places, std::int64_t begin, std::int64_t end, const std::uint16_t* empty,
                  float* sums) {
  resample_any(plane, stride, taps, table, places, begin, end, empty, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::align {

HWY_EXPORT(bounds_of);
HWY_EXPORT(locate_all);
HWY_EXPORT(saturate_u8);
HWY_EXPORT(saturate_u16);
HWY_EXPORT(resample_u8);
HWY_EXPORT(resample_u16);

std::pair<double, double> bounds(const double* values, std::int64_t n) {
  std::pair<double, double> found;
  HWY_DYNAMIC_DISPATCH(bounds_of)(values, n, found.first, found.second);
  return found;
}
bool locate(const double* ys, const double* xs, std::int64_t n, const Plot& plot, Places& places) {
  for (auto* v : {&places.first, &places.nearest, &places.phase_y, &places.phase_x, &places.place})
    v->resize(static_cast<std::size_t>(n));
  return HWY_DYNAMIC_DISPATCH(locate_all)(ys, xs, n, plot, places.first.data(), places.nearest.data(),
                                          places.phase_y.data(), places.phase_x.data(), places.place.data());
}
void saturate(const float* sums, std::int64_t n, const std::uint8_t* empty, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(saturate_u8)(sums, n, empty, out);
}
void saturate(const float* sums, std::int64_t n, const std::uint16_t* empty, std::uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(saturate_u16)(sums, n, empty, out);
}
void resample(const std::uint8_t* plane, std::int64_t stride, int taps, const float* table,
              const Places& places, std::int64_t begin, std::int64_t end, const std::uint8_t* empty,
              float* sums) {
  HWY_DYNAMIC_DISPATCH(resample_u8)(plane, stride, taps, table, places, begin, end, empty, sums);
}
void resample(const std::uint16_t* plane, std::int64_t stride, int taps, const float* table,
              const Places& places, std::int64_t begin, std::int64_t end, const std::uint16_t* empty,
              float* sums) {
  HWY_DYNAMIC_DISPATCH(resample_u16)(plane, stride, taps, table, places, begin, end, empty, sums);
}

}  // namespace petavox::align
#endif
