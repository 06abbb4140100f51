// distance: squared distances to the nearest other label. Options: bound (nm), z, y, x (nm a voxel).

#include "petavox/volume/label_array.hpp"

#include "stages/distance/kernel.hpp"

#include "ours.hpp"

#include <memory>

namespace petavox::bench {

void add_distance(Kernels& kernels) {
  kernels["distance"] = [](const Request& request) -> Kernel {
    // Labels inside a run are dense 32-bit numbers already.
    auto ids = std::make_shared<Array>(compacted(request.inputs.at(0)).ids.clone());
    const auto grid =
        distance::grid_of({request.number("z", 10), request.number("y", 10), request.number("x", 10)},
                          request.number("bound", 300));
    return [ids, grid] { return distance::squared(*ids, ids->box(), grid); };
  };
}

}  // namespace petavox::bench
