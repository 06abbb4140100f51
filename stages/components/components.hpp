#pragma once
// Stage `components`: connected components of a mask, or of voxels with equal labels.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType components_stage();

}  // namespace petavox
