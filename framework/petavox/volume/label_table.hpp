#pragma once
// What is known of the objects of a block without looking at its voxels.

#include "petavox/geometry/box.hpp"
#include "petavox/volume/label_array.hpp"

#include <cstdint>
#include <vector>

namespace petavox {

/// The objects of a block without their voxels. Entry i belongs to local id i + 1. Several ids may have one
/// name.
struct LabelTable {
  std::vector<Name> names;           ///< current name of each local id; 0: background
  std::vector<std::uint64_t> sizes;  ///< voxels of each id in the block's core
  std::vector<FaceMask> faces;       ///< faces of the core that the id touches
};

}  // namespace petavox
