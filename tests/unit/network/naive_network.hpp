#pragma once
// A network evaluated layer by layer in double precision, one voxel at a time: the oracle of the backends.

#include "stages/network/model.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace petavox::network {

/// image: input_channels x window. Returns channels of the tensor x window at its scale.
inline std::vector<double> naive(const Model& model, int output, Extent window,
                                 const std::vector<float>& image) {
  const auto shape_of = [&](int tensor) {
    const Extent s = model.scale_of(tensor);
    return Extent{window.z / s.z, window.y / s.y, window.x / s.x};
  };
  std::vector<std::vector<double>> tensors{{image.begin(), image.end()}};
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const int self = static_cast<int>(i) + 1, first = layer.inputs.front();
    const Extent shape = shape_of(self), from = shape_of(first);
    const auto& in = tensors[static_cast<std::size_t>(first)];
    const auto at = [&](const std::vector<double>& data, Extent s, Index c, Index z, Index y, Index x) {
      return data[static_cast<std::size_t>(((c * s.z + z) * s.y + y) * s.x + x)];
    };
    std::vector<double> out;
    for (Index c = 0; c < layer.channels; ++c)
      Box::from({0, 0, 0}, shape).for_each([&](Coord p) {
        double value = 0;
        if (layer.op == Op::conv) {
          const Extent k = layer.kernel;
          value = layer.bias[static_cast<std::size_t>(c)];
          std::size_t w = static_cast<std::size_t>(c * model.channels_of(first) * k.voxels());
          for (Index ci = 0; ci < model.channels_of(first); ++ci)
            Box::from({-(k.z / 2), -(k.y / 2), -(k.x / 2)}, k).for_each([&](Coord d) {
              const Coord q{p.z + d.z, p.y + d.y, p.x + d.x};
              if (Box::from({0, 0, 0}, shape).contains(q))
                value += layer.weights[w] * at(in, from, ci, q.z, q.y, q.x);
              ++w;
            });
          if (layer.relu) value = std::max(0.0, value);
        } else if (layer.op == Op::max_pool) {
          value = -1e300;
          Box::from({p.z * layer.factor.z, p.y * layer.factor.y, p.x * layer.factor.x}, layer.factor)
              .for_each([&](Coord q) { value = std::max(value, at(in, from, c, q.z, q.y, q.x)); });
        } else if (layer.op == Op::upsample) {
          value = at(in, from, c, p.z / layer.factor.z, p.y / layer.factor.y, p.x / layer.factor.x);
        } else if (layer.op == Op::concat) {
          Index channel = c;
          for (const int input : layer.inputs) {
            if (channel >= 0 && channel < model.channels_of(input))
              value = at(tensors[static_cast<std::size_t>(input)], shape, channel, p.z, p.y, p.x);
            channel -= model.channels_of(input);
          }
        } else {
          value = at(in, from, c, p.z, p.y, p.x);
          if (layer.op == Op::add)
            value += at(tensors[static_cast<std::size_t>(layer.inputs[1])], shape, c, p.z, p.y, p.x);
          if (layer.op == Op::relu) value = std::max(0.0, value);
          if (layer.op == Op::sigmoid) value = 1 / (1 + std::exp(-value));
        }
        out.push_back(value);
      });
    tensors.push_back(std::move(out));
  }
  return tensors[static_cast<std::size_t>(output)];
}

}  // namespace petavox::network
