#pragma once
// Affinities and membrane maps made elsewhere, brought to petavox's convention: channels z, y, x, channel k
// at v belongs to the pair (v, v-1 on axis k), unsigned fixed point. Plain functions on arrays.

#include "petavox/volume/array.hpp"

#include <array>

namespace petavox::affinities {

enum class Combine { mean, min, max };

struct Convention {
  bool membrane = false;                ///< one channel: how likely a voxel is membrane
  std::array<int, 3> channel{0, 1, 2};  ///< of the input, for axes z, y, x
  bool upper = false;                   ///< the input's channel at v belongs to (v, v+1)
  bool invert = false;                  ///< high values separate
  double zero = 0, one = 1;             ///< input values that mean affinity 0 and 1 (before `invert`)
  Combine combine = Combine::mean;      ///< of the affinities of two voxels, for membrane maps
};

/// The voxels read for a core.
Halo halo_of(const Convention& convention);

/// Fills out.box(), three channels of uint8 or uint16; 0 where the pair leaves the domain. Further channels
/// of `out` are those of `in` with the same number, each value at its voxel. `in` is of any type and holds
/// out.box() grown by the halo and clipped to the domain. Values outside [zero, one] are clamped. Throws
/// Error{stage} for one that is not finite, naming its voxel.
void import(const Array& in, Array& out, const Convention& convention);

}  // namespace petavox::affinities
