#pragma once
// The watershed of one block: which voxels join, and the components inside the block. Plain functions on
// arrays. The definition is in docs/invariance.md; it is one round of Boruvka's algorithm on the voxel graph.

#include "petavox/volume/label_array.hpp"

#include <optional>
#include <vector>

namespace petavox::watershed {

/// Affinities on the integer scale of their type: at or above `high` an edge always joins, below `low` never.
struct Thresholds {
  std::int32_t low = 0, high = 0;
};

/// From fractions of full scale: the smallest integer a with double(a) / double(max) >= fraction, or max + 1
/// if there is none. Expects uint8 or uint16.
Thresholds thresholds_of(double low, double high, DType type);

/// Two joined voxels on both sides of a lower face of the block; the lower voxel is outside.
struct SeamJoin {
  std::uint64_t lower_voxel = 0;  ///< raster index in the domain
  std::uint64_t own_name = 0;     ///< fragment of the upper voxel
  friend bool operator==(const SeamJoin&, const SeamJoin&) = default;
};

/// The boxes that fragments_of() needs to know for a core, clipped to the domain.
Box affinities_needed(const Box& core, const Box& domain);
Box mask_needed(const Box& core, const Box& domain);

/// Fills fragments.ids (uint32 over the core, any content) with local ids in order of first appearance, and
/// fragments.names with 1 + the raster index in the domain of each fragment's first voxel. Returns the joins
/// across the lower faces; joins that say nothing new are left out.
/// `affinities`: uint8 or uint16, three channels z,y,x: channel k at v belongs to the edge (v, v-1 on axis
/// k). `mask`: uint8, 0 outside; nothing if all voxels are inside. Works in the id array itself; besides,
/// O(one plane). Throws Error{resource} for a core of 2^32 - 1 voxels or more, Error{contract} on a wrong
/// type or box.
std::vector<SeamJoin> fragments_of(const Array& affinities, const std::optional<Array>& mask,
                                   const Thresholds& thresholds, LabelArray& fragments);

}  // namespace petavox::watershed
