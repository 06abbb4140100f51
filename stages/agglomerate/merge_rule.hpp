#pragma once
// When two segments may join: thresholds on the mean affinity of their contact, compared exactly in integers.

#include "petavox/base/uint128.hpp"

#include "stages/region_graph/region_graph.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::agglomerate {

using Wide = uint128;

/// A fraction of full affinity in units of 1e-9, so that decimal thresholds are exact.
using Billionths = std::uint64_t;
inline constexpr Billionths one_billion = 1'000'000'000;
/// Expects 0 <= fraction <= 1.
inline Billionths billionths(double fraction) {
  return static_cast<Billionths>(std::llround(fraction * 1e9));
}

/// sum / count >= threshold, with sums in 1/65535.
constexpr bool reaches(std::uint64_t sum, std::uint64_t count, Billionths threshold) {
  return static_cast<Wide>(sum) * one_billion >=
         static_cast<Wide>(count) * (threshold * region_graph::affinity_one);
}

/// The mean that two segments must reach depends on nothing but their sizes.
struct MergeRule {
  Billionths threshold = one_billion / 2;
  /// If either segment has fewer voxels than this, `small_threshold` counts instead.
  std::uint64_t small_voxels = 0;
  Billionths small_threshold = 0;
  /// If both segments have at least large_voxels (0: never), and together at least large_sum_voxels,
  /// `large_threshold` counts instead.
  std::uint64_t large_voxels = 0, large_sum_voxels = 0;
  Billionths large_threshold = 0;

  constexpr Billionths required(std::uint64_t voxels_a, std::uint64_t voxels_b) const {
    const std::uint64_t smaller = std::min(voxels_a, voxels_b);
    if (smaller < small_voxels) return small_threshold;
    if (large_voxels > 0 && smaller >= large_voxels && voxels_a + voxels_b >= large_sum_voxels)
      return large_threshold;
    return threshold;
  }
  /// No pair joins below this, whatever its sizes.
  constexpr Billionths lowest() const {
    Billionths least = threshold;
    if (small_voxels > 0) least = std::min(least, small_threshold);
    if (large_voxels > 0) least = std::min(least, large_threshold);
    return least;
  }
};

}  // namespace petavox::agglomerate
