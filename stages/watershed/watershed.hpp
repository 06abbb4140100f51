#pragma once
// Stage `watershed`: affinities in, supervoxels out. Two steps: fragments of each block, then one name for
// each supervoxel across blocks.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType watershed_stage();

}  // namespace petavox
