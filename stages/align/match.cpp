#include "stages/align/match.hpp"

#include "stages/align/cell_kernels.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace petavox::align {
namespace {

constexpr int peak_exclusion = 5, sharpness_distance = 3;

double correlation_of(double score) { return score < 0 ? -std::sqrt(-score) : std::sqrt(score); }

}  // namespace

Match best_match(const double* scores, int radius, long stride) {
  Match match;
  const int side = 2 * radius + 1;
  const auto row = [&](int y) { return scores + y * stride; };
  std::vector<double> greatest(static_cast<std::size_t>(side));
  greatest_of_rows(scores, side, side, stride, greatest.data());
  // The first of the greatest, in raster order.
  const auto py = static_cast<int>(std::ranges::max_element(greatest) - greatest.begin());
  const auto px = static_cast<int>(std::max_element(row(py), row(py) + side) - row(py));
  if (row(py)[px] <= no_score) return match;
  match.peak = correlation_of(row(py)[px]);
  double second = no_score;
  for (int y = 0; y < side; ++y) {
    if (std::abs(y - py) > peak_exclusion) {
      second = std::max(second, greatest[static_cast<std::size_t>(y)]);
      continue;
    }
    for (int x = 0; x < px - peak_exclusion; ++x) second = std::max(second, row(y)[x]);
    for (int x = px + peak_exclusion + 1; x < side; ++x) second = std::max(second, row(y)[x]);
  }
  const double other = second > no_score ? correlation_of(second) : -1;
  match.ratio = other > 0.01 * match.peak ? match.peak / other : 100;
  double ring = 0;
  int ring_count = 0;
  for (const int y : {py - sharpness_distance, py, py + sharpness_distance})
    for (const int x : {px - sharpness_distance, px, px + sharpness_distance}) {
      if ((y == py && x == px) || y < 0 || y >= side || x < 0 || x >= side || row(y)[x] <= no_score) continue;
      ring += correlation_of(row(y)[x]);
      ++ring_count;
    }
  match.sharpness = ring_count > 0 ? match.peak - ring / ring_count : 0;
  match.dy = py - radius;
  match.dx = px - radius;
  match.state = MatchState::good;
  if (py == 0 || px == 0 || py == side - 1 || px == side - 1) {
    match.state = MatchState::at_edge;
    return match;
  }
  const auto vertex = [&](double low, double high) {
    return low > no_score && high > no_score
               ? coarse_align::vertex(correlation_of(low), match.peak, correlation_of(high))
               : 0.0;
  };
  match.dy += vertex(row(py - 1)[px], row(py + 1)[px]);
  match.dx += vertex(row(py)[px - 1], row(py)[px + 1]);
  return match;
}

}  // namespace petavox::align
