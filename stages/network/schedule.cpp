#include "stages/network/schedule.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"

#include <algorithm>
#include <numeric>

namespace petavox::network {
namespace {

const Layer& layer_of(const Model& model, int tensor) {
  return model.layers[static_cast<std::size_t>(tensor - 1)];
}

std::size_t bytes_of(const Model& model, int tensor, Extent window) {
  const Extent scale = model.scale_of(tensor);
  std::size_t bytes = sizeof(float) * static_cast<std::size_t>(padded_channels(model.channels_of(tensor)));
  for (int axis = 0; axis < 3; ++axis)
    bytes = checked_mul(bytes, static_cast<std::size_t>(window[axis] / scale[axis]));
  return bytes;
}

/// Tensors that `output` depends on, itself included.
std::vector<char> needed_by(const Model& model, int output) {
  std::vector<char> needed(model.layers.size() + 1, 0);
  needed[static_cast<std::size_t>(output)] = 1;
  for (int tensor = output; tensor > 0; --tensor)
    if (needed[static_cast<std::size_t>(tensor)])
      for (const int input : layer_of(model, tensor).inputs) needed[static_cast<std::size_t>(input)] = 1;
  return needed;
}

/// Folds additions and activations: each layer becomes a step or part of an earlier one.
class Folding {
 public:
  Folding(const Model& model, int output)
      : model_{model}, output_{output}, readers_(model.layers.size() + 1) {
    const auto needed = needed_by(model, output);
    for (int tensor = 1; tensor <= output; ++tensor)
      if (needed[static_cast<std::size_t>(tensor)])
        for (const int input : layer_of(model, tensor).inputs) readers(input).push_back(tensor);
    for (int tensor = 1; tensor <= output; ++tensor)
      if (needed[static_cast<std::size_t>(tensor)]) place(tensor);
  }
  std::vector<Step> take() { return std::move(steps_); }

 private:
  std::vector<int>& readers(int tensor) { return readers_[static_cast<std::size_t>(tensor)]; }
  bool read_once(int tensor) { return tensor != output_ && readers(tensor).size() == 1; }

  Step* maker_of(int tensor) {
    for (Step& step : steps_)
      if (step.out == tensor) return &step;
    return nullptr;
  }

  void place(int tensor) {
    const Layer& layer = layer_of(model_, tensor);
    if (layer.op == Op::add && (fold_sum(tensor, layer.inputs[0], layer.inputs[1]) ||
                                fold_sum(tensor, layer.inputs[1], layer.inputs[0])))
      return;
    if (layer.op == Op::relu && read_once(layer.inputs[0])) {
      Step* before = maker_of(layer.inputs[0]);
      if (before != nullptr && (is(*before, Op::conv) || is(*before, Op::upsample) || is(*before, Op::add))) {
        before->out = tensor;
        before->relu = true;
        return;
      }
    }
    Step step;
    step.layer = tensor - 1;
    step.in = layer.inputs;
    step.out = tensor;
    step.relu = layer.relu;
    steps_.push_back(step);
  }

  bool is(const Step& step, Op op) const {
    return model_.layers[static_cast<std::size_t>(step.layer)].op == op;
  }

  /// term + base, where `term` is made by a convolution or upsampling that can add onto `base` in its place:
  /// nothing else may need either of them afterwards.
  bool fold_sum(int tensor, int term, int base) {
    if (term == base || base == 0 || !read_once(term) || base == output_) return false;
    Step* maker = maker_of(term);
    if (maker == nullptr || maker->relu || maker->residual >= 0) return false;
    if (!is(*maker, Op::conv) && !is(*maker, Op::upsample)) return false;
    const auto position = maker - steps_.data();
    // `base` must exist by then, and its other readers must have run.
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const Step& step = steps_[i];
      const bool before = static_cast<std::ptrdiff_t>(i) < position;
      if (!before && step.out == base) return false;
      const bool reads =
          std::find(step.in.begin(), step.in.end(), base) != step.in.end() || step.residual == base;
      if (!before && reads) return false;
    }
    for (const int reader : readers(base))
      if (reader > tensor) return false;
    maker->residual = base;
    maker->out = tensor;
    return true;
  }

  const Model& model_;
  int output_;
  std::vector<std::vector<int>> readers_;  // of each tensor
  std::vector<Step> steps_;
};

/// Gives buffers in order of execution; a buffer is free again after the last step that reads it.
void give_buffers(const Model& model, int output, Extent window, Schedule& schedule) {
  const std::size_t num_tensors = model.layers.size() + 1;
  schedule.buffer_of.assign(num_tensors, -1);
  std::vector<std::size_t> last_use(num_tensors, 0);
  for (std::size_t i = 0; i < schedule.steps.size(); ++i) {
    for (const int tensor : schedule.steps[i].in) last_use[static_cast<std::size_t>(tensor)] = i;
    if (schedule.steps[i].residual >= 0) last_use[static_cast<std::size_t>(schedule.steps[i].residual)] = i;
  }
  last_use[static_cast<std::size_t>(output)] = schedule.steps.size();
  std::vector<int> free;
  const auto buffer_of = [&](int tensor) -> int& {
    return schedule.buffer_of[static_cast<std::size_t>(tensor)];
  };
  const auto take = [&](std::size_t bytes) {
    // The smallest that is large enough, else the largest, which grows.
    auto best = free.end();
    for (auto it = free.begin(); it != free.end(); ++it) {
      const std::size_t size = schedule.buffer_bytes[static_cast<std::size_t>(*it)];
      const std::size_t chosen =
          best == free.end() ? 0 : schedule.buffer_bytes[static_cast<std::size_t>(*best)];
      if (best == free.end() || (chosen < bytes ? size > chosen : size >= bytes && size < chosen)) best = it;
    }
    if (best == free.end()) {
      schedule.buffer_bytes.push_back(bytes);
      return static_cast<int>(schedule.buffer_bytes.size()) - 1;
    }
    const int buffer = *best;
    free.erase(best);
    auto& size = schedule.buffer_bytes[static_cast<std::size_t>(buffer)];
    size = std::max(size, bytes);
    return buffer;
  };
  for (std::size_t i = 0; i < schedule.steps.size(); ++i) {
    Step& step = schedule.steps[i];
    const Op op = model.layers[static_cast<std::size_t>(step.layer)].op;
    const int first = step.in.front();
    const bool elementwise = op == Op::relu || op == Op::sigmoid || op == Op::add;
    step.in_place = elementwise && first != 0 && last_use[static_cast<std::size_t>(first)] == i;
    if (step.residual >= 0)
      buffer_of(step.out) = buffer_of(step.residual);
    else if (step.in_place)
      buffer_of(step.out) = buffer_of(first);
    else
      buffer_of(step.out) = take(bytes_of(model, step.out, window));
    std::vector<int> read = step.in;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (const int tensor : read)
      if (tensor != 0 && last_use[static_cast<std::size_t>(tensor)] == i &&
          buffer_of(tensor) != buffer_of(step.out))
        free.push_back(buffer_of(tensor));
  }
}

}  // namespace

std::size_t Schedule::bytes() const {
  return std::accumulate(buffer_bytes.begin(), buffer_bytes.end(), std::size_t{0});
}

Schedule make_schedule(const Model& model, int output, Extent window) {
  PETAVOX_ASSERT(output > 0 && output <= static_cast<int>(model.layers.size()));
  for (int axis = 0; axis < 3; ++axis) PETAVOX_ASSERT(window[axis] % model.multiple[axis] == 0);
  Schedule schedule;
  schedule.steps = Folding{model, output}.take();
  give_buffers(model, output, window, schedule);
  return schedule;
}

}  // namespace petavox::network
