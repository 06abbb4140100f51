#pragma once
// Connected components of one block. Plain functions on arrays; the definition is in docs/invariance.md.
// Works on runs of equal foreground voxels along x, in two scans: the first unites runs of neighbouring rows,
// the second writes ids. (Run-based two-scan labelling: He, Chao, Suzuki, IEEE TIP 17(5), 2008.)

#include "petavox/volume/label_array.hpp"

#include <optional>
#include <vector>

namespace petavox::components {

/// What is foreground, and which foreground voxels are equal.
struct Foreground {
  enum class Rule {
    labels,    ///< voxels that are not 0; only equal ones connect (integer types)
    above,     ///< voxels > threshold
    at_least,  ///< voxels >= threshold
  };
  Rule rule = Rule::labels;
  double threshold = 0;
};

/// Two connected voxels of which the first in the raster lies outside the block.
struct SeamJoin {
  std::uint64_t lower_voxel = 0;  ///< raster index in the domain
  std::uint64_t own_name = 0;     ///< fragment of the other voxel
  friend bool operator==(const SeamJoin&, const SeamJoin&) = default;
};

/// How far beyond the core fragments_of() looks.
Halo halo_of(int connectivity);

/// Fills fragments.ids (uint32 over the core, any content) with local ids in order of first appearance, and
/// fragments.names with 1 + the raster index in the domain of each fragment's first voxel. Returns the joins
/// with voxels that come before the block's in the raster; joins that say nothing new are left out. `image`:
/// one channel, over the core grown by halo_of(), clipped to the domain. `mask`: uint8 over the same box or a
/// greater one, 0 is background. `connectivity`: 6, 18 or 26. NaN is background. Memory: 4 bytes a run, and
/// the runs of two planes. Throws Error{resource} for a core of 2^32 - 1 voxels or more, Error{contract} on a
/// wrong type or box.
std::vector<SeamJoin> fragments_of(const Array& image, const std::optional<Array>& mask,
                                   const Foreground& foreground, int connectivity, LabelArray& fragments);

}  // namespace petavox::components
