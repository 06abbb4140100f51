#pragma once
// Stage `stitch_tiles`: from overlapping tiles to one image for each section. The method: README.md.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType stitch_tiles_stage();

}  // namespace petavox
