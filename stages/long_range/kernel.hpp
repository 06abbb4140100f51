#pragma once
// Long-range affinities from those of nearest neighbours. Plain functions on arrays; the method is in
// README.md.

#include "petavox/volume/array.hpp"

#include <vector>

namespace petavox::long_range {

/// An affinity on the way from v to v + offset: channel `channel` at v + at.
struct Step {
  int channel = 0;
  Extent at;
  friend bool operator==(const Step&, const Step&) = default;
};

/// The edges of nearest neighbours along the straight line from v to v + offset, in order: one for each face
/// of a voxel that the line crosses; where it goes through an edge or corner, z before y before x.
std::vector<Step> line_to(Extent offset);

/// What fill() reads round the voxels that it writes.
Halo halo_of(const std::vector<Extent>& offsets);

/// Channel k of `out` at v: the least affinity along the line from v to v + offsets[k], 0 where v + offset is
/// outside the domain. `affinities` has three channels z, y, x (channel k at v belongs to (v, v-1 on axis
/// k)), uint8 or uint16, and holds out.box() grown by the halo and clipped to the domain; `out` is of its
/// type with one channel for each offset.
void fill(const Array& affinities, const std::vector<Extent>& offsets, Array& out);

}  // namespace petavox::long_range
