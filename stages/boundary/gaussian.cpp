#include "stages/boundary/gaussian.hpp"

#include "petavox/base/check.hpp"

#include <cstddef>

namespace petavox::boundary {

double exp_of_minus(double x) {
  PETAVOX_ASSERT(x >= 0);
  if (x > 700) return 0;
  // e^-x = 1 / (e^(x/1024))^1024: a short Taylor series and ten squarings.
  const double r = x / 1024;
  double term = 1, sum = 1;
  for (int n = 1; n <= 14; ++n) {
    term = term * r / n;
    sum += term;
  }
  for (int n = 0; n < 10; ++n) sum = sum * sum;
  return 1 / sum;
}

Taps gaussian_taps(double sigma_voxels) {
  Taps taps;
  if (sigma_voxels < 0.3) return taps;
  int radius = 1;
  while (radius < 3 * sigma_voxels) ++radius;
  std::vector<double> values;
  double total = 0;
  for (int t = 0; t <= radius; ++t) {
    values.push_back(exp_of_minus(0.5 * t * t / (sigma_voxels * sigma_voxels)));
    total += t == 0 ? values.back() : 2 * values.back();
  }
  taps.weights.clear();
  for (const double v : values) taps.weights.push_back(static_cast<float>(v / total));
  return taps;
}

void weighted_sum(const Taps& taps, const float* centre, const float* const* low, const float* const* high,
                  float* out, long n) {
  const float* const w = taps.weights.data();
  const int radius = taps.radius();
  // Sums stay in registers for a strip of voxels while all taps pass over it.
  constexpr long strip = 32;
  long begin = 0;
  for (; begin + strip <= n; begin += strip) {
    float sums[strip];
    for (long i = 0; i < strip; ++i) sums[i] = w[0] * centre[begin + i];
    for (int t = 1; t <= radius; ++t) {
      const float weight = w[t];
      const float* const a = low[t] + begin;
      const float* const b = high[t] + begin;
      for (long i = 0; i < strip; ++i) sums[i] += weight * (a[i] + b[i]);
    }
    for (long i = 0; i < strip; ++i) out[begin + i] = sums[i];
  }
  for (; begin < n; ++begin) {
    float sum = w[0] * centre[begin];
    for (int t = 1; t <= radius; ++t) sum += w[t] * (low[t][begin] + high[t][begin]);
    out[begin] = sum;
  }
}

}  // namespace petavox::boundary
