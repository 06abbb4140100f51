#pragma once
// Affinities from raw electron micrographs by a classical membrane detector. Plain functions on arrays; the
// method and where it comes from: README.md.

#include "petavox/volume/array.hpp"
#include "petavox/volume/volume.hpp"

#include "stages/boundary/gaussian.hpp"

#include <array>
#include <vector>

namespace petavox::boundary {

/// Lengths in nm. Intensities and responses in units of `contrast`.
struct Settings {
  double mean = 128, contrast = 33;       ///< what counts as 0 and as 1
  bool bright = false;                    ///< membranes are brighter than what they enclose
  std::vector<double> scales_nm{10, 16};  ///< standard deviations at which ridges are sought
  double gradient_weight = 0.25;          ///< a step is not a ridge: how much of the slope is subtracted
  double context_nm = 40;                 ///< standard deviation of the neighbourhood
  double context_weight = 0.1;            ///< subtracted for each unit that the neighbourhood is brighter
  double context_floor = -0.8;            ///< a darker neighbourhood counts as this (mitochondria)
  double offset = -0.2;                   ///< the response that is surely no membrane
  double softness = 0.5;                  ///< so far above `offset` the affinity is a half
};

/// Filters on the grid of a volume.
struct Filters {
  struct Scale {
    std::array<Taps, 3> taps;     ///< z, y, x
    std::array<float, 3> weight;  ///< scale / voxel size: makes derivatives dimensionless
  };
  std::vector<Scale> scales;
  std::array<Taps, 3> context;
};
Filters filters_of(const Settings& settings, const VoxelSizeNm& voxel_size_nm);

/// What affinities_of() reads round the voxels that it writes.
Halo halo_of(const Filters& filters);
/// Planes of 4-byte values that affinities_of() holds at once, each about as large as one of the input.
int num_planes(const Filters& filters);

/// The affinity of (v, v-1 on axis k) in channel k, for each voxel v of out.box(): 255 surely inside one
/// object, 0 surely a membrane, and 0 where v-1 is outside the domain. `image` has one channel of any type
/// and holds out.box() grown by the halo and clipped to the domain, beyond which its faces are repeated.
/// Throws Error{stage} for a value that is not finite.
void affinities_of(const Array& image, View<std::uint8_t> out, const Settings& settings,
                   const Filters& filters);

}  // namespace petavox::boundary
