#pragma once
// Where two volumes that should be equal are not.

#include "petavox/volume/volume.hpp"

#include <optional>
#include <string>

namespace petavox::app {

/// "voxel (z,y,x) channel c is 3, was 5", of the first voxel in raster order that differs; or how the headers
/// differ. Nothing if the volumes are equal. Memory: a slab of at most 16 million voxels of each.
std::optional<std::string> first_difference(const Volume& expected, const Volume& actual);

}  // namespace petavox::app
