#pragma once
// Stage `mutex_watershed`: segments from attractive and long-range repulsive affinities, in overlapping
// subvolumes that are stitched. The result depends on the lattice of subvolumes, never on blocks, ranks or
// schedule.

#include "petavox/stage/registry.hpp"

namespace petavox {

StageType mutex_watershed_stage();

}  // namespace petavox
