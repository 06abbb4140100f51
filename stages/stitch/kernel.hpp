#pragma once
// What the labels of two overlapping subvolumes have to do with each other. Plain functions on arrays; the
// rule is in docs/invariance.md.

#include "petavox/volume/label_array.hpp"

#include <vector>

namespace petavox::stitch {

/// Voxels of the overlap in which both subvolumes have a label.
struct Contact {
  Name a = 0, b = 0;
  std::uint64_t count = 0;
  friend bool operator==(const Contact&, const Contact&) = default;
};

/// The overlap of two versions of one box, in integers.
struct Overlap {
  std::vector<Contact> contacts;  ///< sorted by (a, b)
  /// Voxels of each label in the overlap, sorted by name.
  std::vector<std::pair<Name, std::uint64_t>> sizes_of_a, sizes_of_b;
};

/// Counts over `box`; a voxel outside an array is background there.
Overlap count_overlap(const LabelArray& a, const LabelArray& b, const Box& box);

/// The contacts whose labels are each other's greatest (ties to the smaller name) and whose intersection over
/// union is at least `iou_threshold`. Swapping the roles of a and b swaps the result and nothing else.
std::vector<Contact> joined(const Overlap& overlap, double iou_threshold);

/// What the block with core `core` and the block `offset` grid steps away (-1, 0, 1 on each axis) both cover,
/// if each writes its core grown by `overlap`, clipped to the domain.
Box shared_box(const Box& core, Coord offset, Extent overlap, const Box& domain);

}  // namespace petavox::stitch
