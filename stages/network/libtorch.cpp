// The backend on libtorch (https://pytorch.org/cppdocs): TorchScript programs, on the CPU or a GPU. The only
// file that sees its headers.
//
// A program is run as it is written: libtorch's fusion after the first runs rounds otherwise, and is off, as
// are all choices by timing, and TF32. Operations that have no deterministic implementation fail.

#include "petavox/base/check.hpp"

#include "stages/network/libraries.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/jit/runtime/print_handler.h>
#include <torch/cuda.h>
#include <torch/script.h>
#include <torch/version.h>

namespace petavox::network {
namespace {

/// Operations that leave the program: those that touch files, and calls of other machines.
bool is_forbidden(std::string_view operation) {
  constexpr std::array<std::string_view, 3> files{"aten::from_file", "aten::save", "aten::load"};
  return operation.starts_with("prim::rpc_") || std::ranges::find(files, operation) != files.end();
}

/// The first line of what libtorch has to say: the rest are its own stack frames.
std::string reason(const std::exception& error) {
  const std::string text = error.what();
  const std::size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string::npos) return "no reason given";
  return text.substr(begin, std::min(text.find('\n', begin) - begin, std::size_t{300}));
}

[[noreturn]] void refuse(const Model& model, const std::string& problem) {
  throw Error{ErrorCode::io,
              fmt::format("the TorchScript program of model '{}' {} (it cannot be run); wrap a "
                          "program that was saved by torch.jit.save, as "
                          "stages/network/train/README.md says",
                          model.name, problem)};
}

void look_for_forbidden(const Model& model, const torch::jit::Block& block) {
  for (const torch::jit::Node* node : block.nodes()) {
    const std::string_view name = node->kind().toQualString();
    if (is_forbidden(name)) refuse(model, fmt::format("uses {}, which reaches beyond the program", name));
    for (const torch::jit::Block* inner : node->blocks()) look_for_forbidden(model, *inner);
  }
}

torch::Device device_of(const BackendSettings& settings) {
  return settings.cuda ? torch::Device{torch::kCUDA, 0} : torch::Device{torch::kCPU};
}

torch::jit::Module load(const Model& model, const BackendSettings& settings) {
  const Bytes& program = model.layers.front().program;
  try {
    std::istringstream stream{std::string{reinterpret_cast<const char*>(program.data()), program.size()}};
    torch::jit::Module module = torch::jit::load(stream, device_of(settings));
    module.eval();
    return module;
  } catch (const std::exception& error) {
    refuse(model, fmt::format("cannot be read: {}", reason(error)));
  }
}

/// For the whole process, once: nothing else in it uses libtorch.
void be_deterministic() {
  static const bool done = [] {
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(true, false);
    context.setDeterministicCuDNN(true);
    context.setBenchmarkCuDNN(false);
    context.setAllowTF32CuDNN(false);
    context.setAllowTF32CuBLAS(false);
    // Standard output is for digests and JSON.
    torch::jit::setPrintHandler([](const std::string& text) { std::cerr << text; });
    return true;
  }();
  PETAVOX_ASSERT(done);
}

/// Sets libtorch's number of threads for a while.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads) : before_{at::get_num_threads()} { at::set_num_threads(threads); }
  ~ThreadLimit() { at::set_num_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

class Script final : public Executable {
 public:
  Script(const Model& model, int output, Extent window, const BackendSettings& settings)
      : model_{model},
        window_{window},
        settings_{settings},
        channels_{model.channels_of(output)},
        module_{load(model, settings)} {}

  void run(std::span<const float> image, std::span<float> result) override {
    const auto voxels = static_cast<std::size_t>(window_.voxels());
    PETAVOX_ASSERT(image.size() == static_cast<std::size_t>(model_.input_channels) * voxels &&
                   result.size() == static_cast<std::size_t>(channels_) * voxels);
    const ThreadLimit limit{settings_.threads};
    const c10::InferenceMode inference;
    const torch::jit::GraphOptimizerEnabledGuard as_written{false};
    const auto from = torch::from_blob(const_cast<float*>(image.data()), shape(model_.input_channels));
    at::Tensor given;
    try {
      const torch::jit::IValue value = module_.forward({from.to(device_of(settings_))});
      if (value.isTensor()) given = value.toTensor();
    } catch (const std::exception& error) {
      refuse(model_, fmt::format("fails on a window of {}: {}", to_string(window_), reason(error)));
    }
    const auto wanted = shape(channels_);
    if (!given.defined() || given.sizes() != at::IntArrayRef{wanted} || !given.is_floating_point())
      refuse(model_,
             fmt::format("gives {} for a window of {}, instead of floating-point numbers of shape [{}]",
                         given.defined() ? fmt::format("{} of shape [{}]", std::string{given.dtype().name()},
                                                       fmt::join(given.sizes(), ", "))
                                         : "no tensor",
                         to_string(window_), fmt::join(wanted, ", ")));
    torch::from_blob(result.data(), wanted).copy_(given);
  }

  std::vector<std::string> kernels() const override { return {"libtorch"}; }

 private:
  std::array<std::int64_t, 5> shape(int channels) const {
    return {1, channels, window_.z, window_.y, window_.x};
  }

  Model model_;
  Extent window_;
  BackendSettings settings_;
  int channels_;
  torch::jit::Module module_;
};

class LibTorch final : public Library {
 public:
  std::unique_ptr<Executable> compile(const Model& model, int output, Extent window,
                                      const BackendSettings& settings) const override {
    be_deterministic();
    return std::make_unique<Script>(model, output, window, settings);
  }

  double executable_bytes(const Model& model, int, Extent window, const BackendSettings&) const override {
    const Layer& layer = model.layers.front();
    // The container's copy and ours, the stream that is read, and the module; and libtorch itself.
    constexpr double library = 192.0 * 1024 * 1024;
    return library + 4.0 * static_cast<double>(layer.program.size()) +
           layer.bytes_per_voxel * static_cast<double>(window.voxels());
  }

  std::string identity(const BackendSettings& settings) const override {
    return fmt::format("libtorch {}, {}", TORCH_VERSION, settings.cuda ? "CUDA" : cpu_capability());
  }

  void check(const Model& model, const BackendSettings& settings) const override {
    if (settings.cuda && !torch::cuda::is_available())
      throw Error{ErrorCode::config,
                  "device cuda was asked for, but libtorch finds no GPU (nothing would run on it); install a "
                  "libtorch with CUDA and check nvidia-smi, or write device: auto"};
    const torch::jit::Module module = load(model, {});
    for (const auto* function : module._ivalue()->compilation_unit()->get_functions())
      if (const auto* graph = dynamic_cast<const torch::jit::GraphFunction*>(function))
        look_for_forbidden(model, *graph->graph()->block());
    const auto forward = module.find_method("forward");
    if (!forward) refuse(model, "has no method forward");
    const auto& arguments = forward->function().getSchema().arguments();
    const auto needed = std::ranges::count_if(
        arguments, [](const c10::Argument& argument) { return !argument.default_value().has_value(); });
    if (arguments.size() < 2 || needed > 2) refuse(model, "has a forward that does not take one tensor");
  }

 private:
  /// "AVX2": what libtorch's own kernels use; it is in the text that describes its build.
  static std::string cpu_capability() {
    const std::string text = at::show_config(), key = "CPU capability usage: ";
    const std::size_t at = text.find(key);
    if (at == std::string::npos) return "CPU";
    const std::size_t begin = at + key.size();
    return "CPU " + text.substr(begin, text.find('\n', begin) - begin);
  }
};

}  // namespace

const Library* libtorch() {
  static const LibTorch library;
  return &library;
}

bool cuda_available() { return torch::cuda::is_available(); }

}  // namespace petavox::network
