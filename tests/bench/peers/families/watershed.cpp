// Supervoxels from affinities.

#include "stages/watershed/kernel.hpp"

#include "ours.hpp"

namespace petavox::bench {

void add_watershed(Kernels& kernels) {
  kernels["watershed"] = [](const Request& request) -> Kernel {
    const Array& affinities = request.inputs.at(0);
    const auto thresholds = watershed::thresholds_of(request.number("low", 0.1), request.number("high", 0.98),
                                                     affinities.dtype());
    return [&affinities, thresholds] {
      LabelArray fragments{Array{DType::u32, affinities.box()}, {}};
      watershed::fragments_of(affinities, std::nullopt, thresholds, fragments);
      return std::move(fragments.ids);
    };
  };
}

}  // namespace petavox::bench
