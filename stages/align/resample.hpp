#pragma once
// Pixels between pixels: sums over a square of taps, weighted along each axis, one copy of the loops for each
// set of vector instructions; all do the same operations in the same order.

#include <cstdint>
#include <utility>
#include <vector>

namespace petavox::align {

/// Rows of a table of weights: of positions that are n / weight_phases of a pixel behind one, n from 0 on,
/// the weights of the taps, then zeros.
inline constexpr int weight_phases = 1024, weight_stride = 8;
/// Pixels of a row that are read for one sample.
template <int taps>
inline constexpr int weights_of_taps = taps <= 4 ? 4 : 8;

enum class Place : std::int32_t {
  outside,  ///< by more than half a pixel
  at_edge,  ///< not all taps are there
  inside,
};

/// Where the samples of a row lie in a plane.
struct Places {
  std::vector<std::int32_t> first, nearest;    ///< elements: of the first tap, and of the nearest pixel
  std::vector<std::int32_t> phase_y, phase_x;  ///< rows of the table of weights
  std::vector<std::int32_t> place;             ///< Place
};

/// A plane of pixels [y_begin, y_end) x [x_begin, x_end), rows `stride` elements apart.
struct Plot {
  std::int64_t y_begin, y_end, x_begin, x_end, stride;
  int taps;
};

/// The least and the greatest of n values, n > 0.
std::pair<double, double> bounds(const double* values, std::int64_t n);

/// Of n positions (in pixels). Expects a plane of less than 2^30 elements with coordinates below 2^30. True
/// if all taps of all are there.
bool locate(const double* ys, const double* xs, std::int64_t n, const Plot& plot, Places& places);

/// sums[i] = sum over b, a < `taps` (4 or 6) of y[b] x[a] plane[first + b stride + a] of the i-th place,
/// begin
/// <= i < end, y and x the rows of its phases in `table`. With `empty`, pixels of this value count as the
/// nearest one. In each row weights_of_taps<taps> pixels are read.
void resample(const std::uint8_t* plane, std::int64_t stride, int taps, const float* table,
              const Places& places, std::int64_t begin, std::int64_t end, const std::uint8_t* empty,
              float* sums);
void resample(const std::uint16_t* plane, std::int64_t stride, int taps, const float* table,
              const Places& places, std::int64_t begin, std::int64_t end, const std::uint16_t* empty,
              float* sums);

/// The nearest integers, within the type. With `empty`, none is that: the next one stands for it.
void saturate(const float* sums, std::int64_t n, const std::uint8_t* empty, std::uint8_t* out);
void saturate(const float* sums, std::int64_t n, const std::uint16_t* empty, std::uint16_t* out);

}  // namespace petavox::align
