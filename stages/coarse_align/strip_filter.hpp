#pragma once
// A symmetric filter across rows of a narrow strip. Each sum is added in the order of the taps, nearest
// first, so every instruction set computes the same bits.

namespace petavox::coarse_align {

/// Floats of a row of a strip; rows follow each other.
constexpr long strip_width = 32;

/// For the rows y < count from `centre` and `out` on: w[0] v[y] + the sums of w[t] (v[y - t] + v[y + t]).
void filter_strip(const float* weights, int radius, const float* centre, long count, float* out);

}  // namespace petavox::coarse_align
