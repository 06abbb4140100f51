#include "stages/boundary/gaussian.hpp"

#include "petavox/base/check.hpp"

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

Taps gaussian_taps(double sigma_voxels, double cut) {
  Taps taps;
  if (sigma_voxels < 0.3) return taps;
  int radius = 1;
  while (radius < cut * sigma_voxels) ++radius;
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

}  // namespace petavox::boundary
