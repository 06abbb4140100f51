#pragma once
// Agglomeration by resegmentation (M. Januszewski et al., Nature Methods 15:605, 2018): where two segments
// come nearest to each other, the network segments the surroundings anew, once from each of them. If both
// find the same object, and that object holds both segments, they belong together. Plain functions on arrays.

#include "stages/ffn/canvas.hpp"

#include <vector>

namespace petavox::ffn {

/// Where two segments come nearest to each other.
struct DecisionPoint {
  std::uint32_t a = 0, b = 0;  ///< local ids, a < b
  Coord point{};
  friend bool operator==(const DecisionPoint&, const DecisionPoint&) = default;
};

/// For each pair of segments that are within `reach` voxels of one voxel of `core`: of the voxels whose
/// distances to the two have the least maximum, then the least sum, the one next to the middle of all of
/// them, the first in raster order of equal ones. Sorted by (a, b). `ids` (uint32) cover the core grown by
/// `reach` as far as there are voxels.
std::vector<DecisionPoint> decision_points(const Array& ids, const Box& core, Index reach);

/// The box of so many voxels round one.
inline Box around(Coord centre, Extent radius) {
  return Box::from(centre, {1, 1, 1}).grow(Halo::symmetric(radius));
}

/// What two segments need to be joined.
struct Resegmentation {
  Extent radius{40, 40, 40};           ///< of what is segmented anew, round the decision point
  Extent analysis_radius{27, 27, 27};  ///< of what is compared
  Extent exclusion_radius{8, 8, 8};    ///< no second seed within so many voxels of a first one
  int max_seeds = 8;                   ///< tried for each segment
  double recovery = 0.6;     ///< share of its segment that an object must hold, or the next seed is tried
  double iou = 0.8;          ///< of the two objects, more than
  double consistency = 0.6;  ///< share of each segment that each object holds, more than
  double deleted =
      0.02;  ///< share of its segment that an object has held and let go, less than, for one of the two
};

/// What came of it; shares of voxels within the analysis radius.
struct Resegmented {
  double iou = 0;
  double recovered[2][2] = {};  ///< by the object from segment i, of segment j
  double deleted[2] = {};       ///< by the object from segment i, of segment i
};
bool belong_together(const Resegmented& found, const Resegmentation& rule);

/// Segments `box` anew from ids `a` and `b` (`ids` covers it; `image` is over it, standardised). A segment
/// that no seed recovers counts as not recovered by anything.
Resegmented resegment(std::span<const float> image, const std::optional<Array>& mask, const Array& ids,
                      const Box& box, const DecisionPoint& where, const Resegmentation& rule,
                      const Settings& settings, Network network);

}  // namespace petavox::ffn
