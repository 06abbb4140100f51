#pragma once
// Labels of a box in compact form: each voxel holds a dense local id (0 is background), and a table maps
// local ids to names. A name is the canonical id of an object: 1 + the raster index in the domain of its
// first voxel.

#include "petavox/volume/array.hpp"

#include <vector>

namespace petavox {

using Name = std::uint64_t;

/// Name of the object whose first voxel, in raster order of the domain, is p.
inline Name name_of_voxel(const Box& domain, Coord p) { return static_cast<Name>(domain.raster(p)) + 1; }
/// The first voxel of the object called `name`.
inline Coord first_voxel(const Box& domain, Name name) { return domain.at(static_cast<Index>(name - 1)); }

struct LabelArray {
  Array ids;                ///< uint32, one channel; values 0..names.size()
  std::vector<Name> names;  ///< names[id - 1]; distinct in what a stage reads, any order

  Name name(std::uint32_t id) const { return id == 0 ? 0 : names[id - 1]; }
};

/// The names voxel by voxel, as a uint64 array.
Array expanded(const LabelArray& labels);

/// The compact form of an array of any unsigned type: local ids in order of first appearance in the raster.
/// Throws Error{resource} for more than 2^32 - 1 different labels.
LabelArray compacted(const Array& labels);

}  // namespace petavox
