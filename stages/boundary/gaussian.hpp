#pragma once
// Gaussian filters as short tables of weights that are the same bits on every machine: made with + - * /
// only, without the C library's exp(), whose last bit depends on the processor.

#include <vector>

namespace petavox::boundary {

/// A symmetric filter: weights[t] belongs to the two neighbours at distance t. Sums to 1 (to rounding).
struct Taps {
  std::vector<float> weights{1.0F};
  int radius() const { return static_cast<int>(weights.size()) - 1; }
};

/// e^-x for x >= 0, to about 2e-12 of its value; 0 above 700.
double exp_of_minus(double x);

/// A sampled Gaussian of the given standard deviation in voxels, cut at `cut` of them. Below 0.3 voxels it
/// is the identity: such a filter would not reach the next voxel.
Taps gaussian_taps(double sigma_voxels, double cut = 3);

}  // namespace petavox::boundary
