#pragma once
// A model's graph made ready to execute: sums and activations are folded into the step before them where that
// is possible in place, and every tensor gets a buffer that it shares with tensors that are dead by then.
// A function of the model and the window alone, so that the memory of a run is known without building it.

#include "stages/network/model.hpp"

#include <vector>

namespace petavox::network {

/// Channels are stored in groups of this many, the last one filled up with zeros.
inline constexpr int channel_group = 16;
constexpr int padded_channels(int channels) {
  return (channels + channel_group - 1) / channel_group * channel_group;
}

/// One step: out = relu(op(in) + residual), where sum and relu are optional.
struct Step {
  int layer = 0;        ///< of the model: kernel, factor, weights
  std::vector<int> in;  ///< tensors
  int residual = -1;    ///< tensor that the result is added onto, in its buffer; -1: none
  int out = 0;          ///< tensor; the name is that of the last layer folded in
  bool relu = false;
  bool in_place = false;  ///< relu, sigmoid, add: the result takes the buffer of in[0]
};

struct Schedule {
  std::vector<Step> steps;
  std::vector<int> buffer_of;  ///< of each tensor; -1: never stored (folded), or the image
  std::vector<std::size_t> buffer_bytes;
  std::size_t bytes() const;  ///< of all buffers
};

/// `output`: the tensor to be computed; layers that it does not need are left out. `window`: voxels of the
/// image, a multiple of model.multiple.
Schedule make_schedule(const Model& model, int output, Extent window);

}  // namespace petavox::network
