#pragma once
// The inner loops of the boundary filter, over rows of floats. Vectorised (petavox/base/simd.hpp): the order
// of operations on each voxel is that of the formula on every path.

#include <cstdint>

namespace petavox::boundary {

/// out[i] = w[0] centre[i] + sum over t of w[t] (low[t][i] + high[t][i]), t = 1 … radius ascending, for i in
/// [0, n). low[0] and high[0] are not used.
void weighted_sum(const float* weights, int radius, const float* centre, const float* const* low,
                  const float* const* high, float* out, long n);

/// Nine rows round a row of voxels: [z][y], each 0 below, 1 at, 2 above.
struct Neighbourhood {
  const float* row[3][3];
};

/// ridge[x] = max(ridge[x], the greatest eigenvalue of the Hessian less `gradient_weight` times the slope).
/// `weight`: z, y, x.
void add_ridge(const Neighbourhood& rows, const float* weight, float gradient_weight, float* ridge, long n);

/// From response to affinity: see Settings.
struct Calibration {
  float context_weight, context_floor, offset, inverse_softness;
};

/// The calibration: 255 where a voxel is surely no membrane. Absolute, never relative to a block.
void interior_of(const float* ridge, const float* context, const Calibration& calibration,
                 std::uint8_t* interior, long n);

}  // namespace petavox::boundary
