#pragma once
// What can be said of a volume from its header and a sample of its voxels.

#include "petavox/volume/volume.hpp"

#include <nlohmann/json_fwd.hpp>

namespace petavox::app {

/// Shape, type, channels, voxel size; layout and filters of HDF5 datasets, sections of image stacks. Keys in
/// a fixed order.
nlohmann::ordered_json header_info(const Volume& volume);

/// Least, greatest and mean value and a histogram of 16 classes (for labels: the number of labels and the
/// share of background) of at most about `max_voxels` voxels, spread evenly over the volume; the same voxels
/// every time.
nlohmann::ordered_json sample_info(const Volume& volume, Index max_voxels = Index{1} << 24);

}  // namespace petavox::app
