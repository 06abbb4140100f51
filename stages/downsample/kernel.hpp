#pragma once
// Coarser volumes: the mean of images, the mode of labels. Plain functions on arrays. Coarse voxel c holds
// the fine voxels [c f, (c+1) f) in absolute coordinates; at the faces of the domain, those that exist.

#include "petavox/volume/label_array.hpp"
#include "petavox/volume/volume.hpp"

namespace petavox::downsample {

/// After `halvings` steps towards isotropic voxels: each step doubles the voxel along every axis on which it
/// is at most 1.5 times as long as on its shortest one. {50, 4, 4} nm: 1x2x2 three times, then 2x2x2.
Extent factor_of(const VoxelSizeNm& voxel_size_nm, int halvings);

/// Each voxel of `coarse` becomes the mean of its fine voxels. Integers are exact, a half is rounded up;
/// floats are added as doubles in raster order. `fine` holds all voxels of refined(coarse.box()) in the
/// domain. Same type and channels; integers up to 32 bits or float.
void mean_of(const Array& fine, Array& coarse, Extent factor);

/// Each voxel of `coarse` becomes the most frequent value of its fine voxels, the smallest of several.
/// Integers of any size.
void mode_of(const Array& fine, Array& coarse, Extent factor);

/// The same for labels, by name; of equally frequent ones the smallest name, 0 being the smallest.
/// Fills coarse.ids and coarse.names.
void mode_of(const LabelArray& fine, LabelArray& coarse, Extent factor);

}  // namespace petavox::downsample
