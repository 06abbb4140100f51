// Label volumes: connected components, names for ids, ids for names.

#include "stages/components/kernel.hpp"

#include "ours.hpp"

namespace petavox::bench {

void add_labels(Kernels& kernels) {
  kernels["components"] = [](const Request& request) -> Kernel {
    return [&request, connectivity = static_cast<int>(request.number("connectivity", 6))] {
      const Array& image = request.inputs.at(0);
      LabelArray fragments{Array{DType::u32, image.box()}, {}};
      components::fragments_of(image, std::nullopt, {}, connectivity, fragments);
      return std::move(fragments.ids);
    };
  };
  kernels["compact"] = [](const Request& request) -> Kernel {
    return [&request] { return std::move(compacted(request.inputs.at(0)).ids); };
  };
  kernels["expand"] = [](const Request& request) -> Kernel {
    const auto labels = std::make_shared<LabelArray>(compacted(request.inputs.at(0)));
    return [labels] { return expanded(*labels); };
  };
}

}  // namespace petavox::bench
