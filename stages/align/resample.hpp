#pragma once
// Pixels between pixels: sums over a square of taps, weighted along each axis, one copy of the loop for each
// set of vector instructions; all do the same operations in the same order.

#include <cstdint>

namespace petavox::align {

/// Floats of a row of weights: those of the taps, then zeros.
template <int taps>
inline constexpr int weights_of_taps = taps <= 4 ? 4 : 8;

/// One pixel to be drawn.
struct Sample {
  std::int64_t first = 0;                  ///< its first tap, in the plane
  std::int64_t nearest = 0;                ///< the pixel next to it, in the plane
  const float *y = nullptr, *x = nullptr;  ///< rows of weights
};

/// sums[i] = sum over b, a < `taps` (4 or 6) of y[b] x[a] plane[first + b stride + a] of the i-th sample.
/// With `empty`, pixels of this value count as the nearest one. In each row weights_of_taps<taps> pixels are
/// read.
void resample(const std::uint8_t* plane, std::int64_t stride, int taps, const Sample* samples, std::int64_t n,
              const std::uint8_t* empty, float* sums);
void resample(const std::uint16_t* plane, std::int64_t stride, int taps, const Sample* samples,
              std::int64_t n, const std::uint16_t* empty, float* sums);

}  // namespace petavox::align
