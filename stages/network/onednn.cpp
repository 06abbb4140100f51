// The backend on oneDNN (https://oneapi-src.github.io/oneDNN), version 2: the only file that sees its
// headers.
//
// Activations stay in channels in groups of 8 or 16, and all channel counts are filled up to multiples of 16,
// because odd ones fall back to reference code. Convolution, bias, sum and relu are one primitive, or kernels
// of our own (winograd.hpp); upsampling and sums are plain loops (layer_loops.hpp).

#include "petavox/base/check.hpp"

#include "stages/network/backend.hpp"
#include "stages/network/layer_loops.hpp"
#include "stages/network/libraries.hpp"
#include "stages/network/schedule.hpp"
#include "stages/network/winograd.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <unordered_map>

#include <dnnl.hpp>
#include <fmt/format.h>
#include <omp.h>

#if DNNL_VERSION_MAJOR != 2
#error \
    "petavox speaks the interface of oneDNN 2 (Debian 12: libdnnl-dev 2.6); use that version or -DPETAVOX_WITH_ONEDNN=OFF"
#endif

namespace petavox::network {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto f32 = memory::data_type::f32;

/// Sets the number of OpenMP threads of this thread for a while.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads) : before_{omp_get_max_threads()} { omp_set_num_threads(threads); }
  ~ThreadLimit() { omp_set_num_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

memory::dims dims_of(const Model& model, int tensor, Extent window, bool padded) {
  const Extent scale = model.scale_of(tensor);
  const int channels = model.channels_of(tensor);
  return {1, padded ? padded_channels(channels) : channels, window.z / scale.z, window.y / scale.y,
          window.x / scale.x};
}

/// Whether the library may use `wanted` here. Each set of instructions has the bits of those it includes.
bool allows(dnnl::cpu_isa wanted) {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa()), bits = static_cast<unsigned>(wanted);
  return (isa & bits) == bits;
}

/// Those of the library: what `isa` allows holds for all kernels.
std::optional<Instructions> winograd_instructions() {
  const Instructions wanted = allows(dnnl::cpu_isa::avx512_core) ? Instructions::avx512 : Instructions::avx2;
  return allows(dnnl::cpu_isa::avx2) && winograd_available(wanted) ? std::optional{wanted} : std::nullopt;
}

/// The image is not in groups of channels.
bool by_winograd(const Layer& layer, int source) {
  return layer.op == Op::conv && layer.kernel == Extent{3, 3, 3} && source != 0;
}

class OneDnnNetwork final : public Executable {
 public:
  OneDnnNetwork(const Model& model, int output, Extent window, const BackendSettings& settings)
      : window_{window}, settings_{settings}, schedule_{make_schedule(model, output, window)} {
    const ThreadLimit limit{settings_.threads};
    blocked_ = grouped_layout();
    for (const std::size_t bytes : schedule_.buffer_bytes)
      buffers_.emplace_back(memory::desc{{static_cast<Index>(bytes)}, memory::data_type::u8, Tag::a},
                            engine_);
    image_ = memory{{dims_of(model, 0, window, false), f32, Tag::ncdhw}, engine_, nullptr};
    for (const Step& step : schedule_.steps) add(model, step);
    scratch_.resize(scratch_floats_ * static_cast<std::size_t>(settings.threads) +
                    cache_line / sizeof(float));
    result_ = tensor(model, output);
    result_channels_ = model.channels_of(output);
  }

  void run(std::span<const float> image, std::span<float> result) override {
    const ThreadLimit limit{settings_.threads};
    const auto voxels = static_cast<std::size_t>(window_.voxels());
    PETAVOX_ASSERT(image.size_bytes() == image_.get_desc().get_size() &&
                   result.size() == static_cast<std::size_t>(result_channels_) * voxels);
    image_.set_data_handle(const_cast<float*>(image.data()));
    for (Work& work : work_) work.call ? work.call() : work.primitive.execute(stream_, work.arguments);
    stream_.wait();
    ungroup(static_cast<const float*>(result_.get_data_handle()), group_size(), voxels, result);
  }

  std::vector<std::string> kernels() const override {
    std::vector<std::string> names;
    for (const Work& work : work_) names.push_back(work.kernel);
    return names;
  }

 private:
  struct Work {
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;
    std::string kernel;
    std::function<void()> call;  // instead of a primitive
  };

  void push(dnnl::primitive primitive, std::unordered_map<int, memory> arguments, std::string kernel) {
    work_.push_back({std::move(primitive), std::move(arguments), std::move(kernel), {}});
  }

  /// Channels in groups of a vector's width, for which the library has kernels of its own and Winograd's
  /// method its transforms. What the library would choose may be in no groups at all.
  static Tag grouped_layout() { return allows(dnnl::cpu_isa::avx512_core) ? Tag::nCdhw16c : Tag::nCdhw8c; }

  Index group_size() const { return blocked_ == Tag::nCdhw16c ? 16 : 8; }

  memory tensor(const Model& model, int number) const {
    if (number == 0) return image_;
    const int buffer = schedule_.buffer_of[static_cast<std::size_t>(number)];
    return {{dims_of(model, number, window_, true), f32, blocked_},
            engine_,
            buffers_[static_cast<std::size_t>(buffer)].get_data_handle()};
  }

  void add(const Model& model, const Step& step) {
    const Layer& layer = model.layers[static_cast<std::size_t>(step.layer)];
    switch (layer.op) {
      case Op::conv:
        return add_conv(model, step, layer);
      case Op::max_pool:
        return add_pool(model, step, layer);
      case Op::upsample:
        return add_upsample(model, step, layer);
      case Op::add:
        return add_sum(model, step);
      case Op::concat:
        return add_concat(model, step);
      case Op::relu:
        return add_eltwise(model, step, dnnl::algorithm::eltwise_relu);
      case Op::sigmoid:
        return add_eltwise(model, step, dnnl::algorithm::eltwise_logistic);
      case Op::torchscript:
        PETAVOX_ASSERT(false);  // backend.cpp
    }
  }

  /// The weights of a layer, out x in x taps, filled up with zeros: channels that the model does not have
  /// neither give nor take.
  static std::vector<float> filled_weights(const Layer& layer, int real_in, memory::dim out, memory::dim in) {
    const auto taps = static_cast<std::size_t>(layer.kernel.voxels());
    const std::size_t from = static_cast<std::size_t>(real_in) * taps,
                      to = static_cast<std::size_t>(in) * taps;
    std::vector<float> weights(static_cast<std::size_t>(out) * to);
    for (std::size_t o = 0; o < static_cast<std::size_t>(layer.channels); ++o)
      std::copy_n(layer.weights.begin() + static_cast<std::ptrdiff_t>(o * from), from,
                  weights.begin() + static_cast<std::ptrdiff_t>(o * to));
    return weights;
  }

  void add_conv(const Model& model, const Step& step, const Layer& layer) {
    const int source = step.in.front();
    const memory in = tensor(model, source), out = tensor(model, step.out);
    const auto out_channels = out.get_desc().dims()[1], in_channels = in.get_desc().dims()[1];
    std::vector<float> weights = filled_weights(layer, model.channels_of(source), out_channels, in_channels);
    std::vector<float> bias(static_cast<std::size_t>(out_channels));
    std::copy(layer.bias.begin(), layer.bias.end(), bias.begin());
    const auto instructions = winograd_instructions();
    if (settings_.winograd && instructions && by_winograd(layer, source))
      return add_winograd(*instructions, step, in, out, weights, bias);

    const Extent k = layer.kernel;
    const memory::dims weight_dims{out_channels, in_channels, k.z, k.y, k.x}, half{k.z / 2, k.y / 2, k.x / 2};
    dnnl::post_ops after;
    if (step.residual >= 0) after.append_sum(1.0F);
    if (step.relu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(after);
    const dnnl::convolution_forward::desc desc{dnnl::prop_kind::forward_inference,
                                               dnnl::algorithm::convolution_direct,
                                               in.get_desc(),
                                               {weight_dims, f32, Tag::any},
                                               {{out_channels}, f32, Tag::x},
                                               out.get_desc(),
                                               {1, 1, 1},
                                               half,
                                               half};
    const dnnl::convolution_forward::primitive_desc chosen{desc, attributes, engine_};
    memory plain{{weight_dims, f32, Tag::oidhw}, engine_, weights.data()};
    memory packed{chosen.weights_desc(), engine_}, packed_bias{chosen.bias_desc(), engine_};
    dnnl::reorder(plain, packed).execute(stream_, plain, packed);
    stream_.wait();
    std::copy(bias.begin(), bias.end(), static_cast<float*>(packed_bias.get_data_handle()));
    push(dnnl::convolution_forward{chosen},
         {{DNNL_ARG_SRC, in}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_BIAS, packed_bias}, {DNNL_ARG_DST, out}},
         chosen.impl_info_str());
  }

  void add_winograd(Instructions instructions, const Step& step, const memory& in, const memory& out,
                    std::span<const float> weights, std::span<const float> bias) {
    const auto from = in.get_desc().dims(), to = out.get_desc().dims();
    const auto conv =
        std::make_shared<const WinogradConv>(instructions, static_cast<int>(from[1]), static_cast<int>(to[1]),
                                             static_cast<int>(group_size()), weights, bias);
    scratch_floats_ = std::max(scratch_floats_, conv->scratch_floats());
    own("winograd", [this, conv, in, out, shape = Extent{to[2], to[3], to[4]}, add = step.residual >= 0,
                     relu = step.relu] {
      conv->run(shape, static_cast<const float*>(in.get_data_handle()),
                static_cast<float*>(out.get_data_handle()), add, relu, settings_.threads,
                aligned_to_line(scratch_.data()));
    });
  }

  void add_pool(const Model& model, const Step& step, const Layer& layer) {
    const memory in = tensor(model, step.in.front()), out = tensor(model, step.out);
    const memory::dims window{layer.factor.z, layer.factor.y, layer.factor.x}, none{0, 0, 0};
    const dnnl::pooling_forward::desc desc{dnnl::prop_kind::forward_inference,
                                           dnnl::algorithm::pooling_max,
                                           in.get_desc(),
                                           out.get_desc(),
                                           window,
                                           window,
                                           none,
                                           none};
    const dnnl::pooling_forward::primitive_desc chosen{desc, engine_};
    push(dnnl::pooling_forward{chosen}, {{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, out}}, chosen.impl_info_str());
  }

  void add_upsample(const Model& model, const Step& step, const Layer& layer) {
    const memory in = tensor(model, step.in.front()), out = tensor(model, step.out);
    const auto d = out.get_desc().dims();
    const Index group = group_size();
    const std::array<Index, 5> shape{d[1] / group, d[2], d[3], d[4], group};
    const bool sum = step.residual >= 0;
    own("upsample", [in, out, shape, factor = layer.factor, sum, relu = step.relu] {
      upsample(static_cast<const float*>(in.get_data_handle()), static_cast<float*>(out.get_data_handle()),
               shape, factor, sum, relu);
    });
  }

  void add_sum(const Model& model, const Step& step) {
    const memory a = tensor(model, step.in[0]), b = tensor(model, step.in[1]), out = tensor(model, step.out);
    const std::size_t count = out.get_desc().get_size() / sizeof(float);
    own("sum", [a, b, out, count, relu = step.relu] {
      const auto* x = static_cast<const float*>(a.get_data_handle());
      const auto* y = static_cast<const float*>(b.get_data_handle());
      auto* to = static_cast<float*>(out.get_data_handle());
      network::add(x, y, count, relu, to);
    });
  }

  /// Channels are grouped, so the parts lie one after the other.
  void add_concat(const Model& model, const Step& step) {
    std::vector<memory> parts;
    for (const int input : step.in) parts.push_back(tensor(model, input));
    const memory out = tensor(model, step.out);
    own("concat", [parts, out] {
      auto* to = static_cast<std::byte*>(out.get_data_handle());
      for (const memory& part : parts) {
        std::memcpy(to, part.get_data_handle(), part.get_desc().get_size());
        to += part.get_desc().get_size();
      }
    });
  }

  void add_eltwise(const Model& model, const Step& step, dnnl::algorithm algorithm) {
    const memory in = tensor(model, step.in.front()), out = tensor(model, step.out);
    const dnnl::eltwise_forward::desc desc{dnnl::prop_kind::forward_inference, algorithm, in.get_desc(), 0.0F,
                                           0.0F};
    const dnnl::eltwise_forward::primitive_desc chosen{desc, engine_};
    push(dnnl::eltwise_forward{chosen}, {{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, out}}, chosen.impl_info_str());
  }

  void own(std::string name, std::function<void()> call) {
    work_.push_back({{}, {}, std::move(name), std::move(call)});
  }

  Extent window_;
  BackendSettings settings_;
  Schedule schedule_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Tag blocked_ = Tag::nCdhw8c;
  std::vector<memory> buffers_;
  memory image_, result_;
  int result_channels_ = 0;
  std::size_t scratch_floats_ = 0;  // of a thread
  std::vector<float> scratch_;
  std::vector<Work> work_;
};

std::string isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2-VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    default:
      return fmt::format("ISA {:#x}", static_cast<int>(dnnl::get_effective_cpu_isa()));
  }
}

class OneDnn final : public Library {
 public:
  std::unique_ptr<Executable> compile(const Model& model, int output, Extent window,
                                      const BackendSettings& settings) const override {
    try {
      return std::make_unique<OneDnnNetwork>(model, output, window, settings);
    } catch (const dnnl::error& error) {
      throw Error{
          ErrorCode::resource,
          fmt::format("oneDNN cannot prepare model '{}' for a window of {} ({}); use a smaller window",
                      model.name, to_string(window), error.what())};
    }
  }

  double executable_bytes(const Model& model, int output, Extent window,
                          const BackendSettings& settings) const override {
    double weights = 0, scratch = 0;
    for (const Layer& layer : model.layers) {
      weights +=
          8.0 * static_cast<double>(layer.weights.size());  // of the model, and in the library's layout
      if (!settings.winograd || layer.op != Op::conv || !by_winograd(layer, layer.inputs.front())) continue;
      const int in = padded_channels(model.channels_of(layer.inputs.front()));
      weights += WinogradConv::weight_bytes(in, padded_channels(layer.channels));
      scratch = std::max(scratch, settings.threads * WinogradConv::scratch_bytes(in));
    }
    // Kernels and their scratchpads take a few MiB, whatever the window.
    constexpr double kernels = 16.0 * 1024 * 1024;
    return static_cast<double>(make_schedule(model, output, window).bytes()) + weights + scratch + kernels;
  }

  std::string identity(const BackendSettings&) const override {
    const dnnl_version_t* version = dnnl_version();
    return fmt::format("oneDNN {}.{}.{}, {}", version->major, version->minor, version->patch, isa_name());
  }

  void check(const Model& model, const BackendSettings& settings) const override {
    if (settings.cuda)
      throw Error{ErrorCode::config,
                  fmt::format("model '{}' is a graph of layers, which oneDNN computes on the CPU (the GPU is "
                              "for TorchScript programs); write device: auto",
                              model.name)};
    for (const Layer& layer : model.layers)
      if (layer.op == Op::concat)
        for (const int input : layer.inputs)
          if (input == 0 || model.channels_of(input) % channel_group != 0)
            throw Error{
                ErrorCode::config,
                fmt::format(
                    "layer '{}' of model '{}' joins channels that are not a multiple of {} (they lie in "
                    "groups of {}); train with other widths, or add instead of joining",
                    layer.name, model.name, channel_group, channel_group)};
  }
};

}  // namespace

const Library* onednn() {
  static const OneDnn library;
  return &library;
}

bool limit_isa(const std::string& isa) {
  if (isa == "auto") return true;
  const auto wanted = isa == "sse41"  ? dnnl::cpu_isa::sse41
                      : isa == "avx2" ? dnnl::cpu_isa::avx2
                                      : dnnl::cpu_isa::avx512_core;
  if (dnnl::get_effective_cpu_isa() == wanted) return true;
  // Only a ceiling: a machine without `wanted` would use less without a word.
  return dnnl::set_max_cpu_isa(wanted) == dnnl::status::success && dnnl::get_effective_cpu_isa() == wanted;
}

}  // namespace petavox::network
