#pragma once
// The test that finds out when objects are not what a reduction was promised: connected, and called by their
// first voxel. Why it finds every broken promise: docs/invariance.md, size filter.

#include "petavox/volume/label_array.hpp"

namespace petavox {

/// Whether the object called `name` begins in `box`. False for a name that is no voxel of the domain.
inline bool begins_in(Name name, const Box& box, const Box& domain) {
  return name != 0 && name <= static_cast<Name>(domain.voxels()) && box.contains(first_voxel(domain, name));
}

}  // namespace petavox
