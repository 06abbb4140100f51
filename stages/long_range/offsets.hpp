#pragma once
// The pairs of voxels of long-range affinities, as `long_range` writes and `mutex_watershed` reads them.

#include "petavox/stage/params.hpp"

namespace petavox::long_range {

/// Asks for `offsets`: channel k at v belongs to the pair (v, v + offsets[k]); at most 64, none [0, 0, 0], no
/// length above `reach`. By default the nearest neighbours and nine pairs further apart.
std::vector<Extent> ask_offsets(Params& params, Index reach);

}  // namespace petavox::long_range
