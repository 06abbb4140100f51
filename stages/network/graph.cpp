// What follows from a model's layers alone: reach and cost.

#include "stages/network/model.hpp"

#include <algorithm>
#include <limits>

namespace petavox::network {

Extent receptive_halo(const Model& model) {
  constexpr Index nothing = std::numeric_limits<Index>::max();
  Extent halo;
  for (int axis = 0; axis < 3; ++axis) {
    // Which of its voxels each tensor must have so that a period of every output is right, from the back.
    std::vector<std::pair<Index, Index>> needs(model.layers.size() + 1, {nothing, nothing});
    const auto need = [&](int tensor, Index low, Index high) {
      auto& [l, h] = needs[static_cast<std::size_t>(tensor)];
      const bool first = l == nothing;
      l = first ? low : std::min(l, low);
      h = first ? high : std::max(h, high);
    };
    for (const Output& output : model.outputs) need(output.tensor, 0, model.multiple[axis]);
    for (std::size_t i = model.layers.size(); i-- > 0;) {
      const Layer& layer = model.layers[i];
      auto [low, high] = needs[i + 1];
      if (low == nothing) continue;
      if (layer.op == Op::torchscript) {
        low -= layer.reach[axis];
        high += layer.reach[axis];
      } else if (layer.op == Op::conv) {
        low -= layer.kernel[axis] / 2;
        high += layer.kernel[axis] / 2;
      } else if (layer.op == Op::max_pool) {
        low *= layer.factor[axis];
        high *= layer.factor[axis];
      } else if (layer.op == Op::upsample) {
        low = floor_div(low, layer.factor[axis]);
        high = ceil_div(high, layer.factor[axis]);
      }
      for (const int input : layer.inputs) need(input, low, high);
    }
    const auto [low, high] = needs.front();
    if (low != nothing) halo[axis] = std::max({Index{0}, -low, high - model.multiple[axis]});
  }
  return halo;
}

double flops_per_voxel(const Model& model) {
  double sum = 0;
  for (const Layer& layer : model.layers)
    sum += 2.0 * static_cast<double>(layer.weights.size()) / static_cast<double>(layer.scale.voxels());
  return sum;
}

}  // namespace petavox::network
