#include "stages/network/loading.hpp"

#include "petavox/base/hash.hpp"
#include "petavox/stage/small_file.hpp"

#include "stages/network/builtin_models.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox::network {
namespace {

constexpr std::uint64_t max_model_bytes = std::uint64_t{1} << 30;

}  // namespace

BackendSettings ask_backend(Params& params, const Model& model, const std::string& key) {
  BackendSettings settings;
  settings.threads = static_cast<int>(
      params.integer("threads", 1, {1, 1024}, "cores of a rank; with one rank on each core, 1"));
  const std::string isa =
      params.choice("isa", "auto", {"auto", "sse41", "avx2", "avx512"},
                    "instruction set; name the lowest of a cluster with mixed machines, for equal results");
  if (isa != "auto" && model.is_script())
    params.problem("isa",
                   fmt::format("'{}' cannot be chosen for a TorchScript program (libtorch chooses when "
                               "it is loaded); set ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA in the "
                               "environment of all ranks",
                               isa));
  else if (!limit_isa(isa))
    params.problem("isa", fmt::format("'{}' cannot be chosen (this machine lacks it, or another network "
                                      "stage has chosen before); use auto, or the same for all",
                                      isa));
  settings.winograd =
      params.choice(
          "convolution", "winograd", {"winograd", "direct"},
          "winograd: 3x3x3 in a sixth of the multiplications; direct: by the definition, rounded less") ==
      "winograd";
  const std::string device = params.choice(
      "device", "auto", {"auto", "cpu", "cuda"},
      "of a TorchScript program: cuda is the first GPU that a rank sees; auto: that, if there is one");
  settings.cuda = device == "cuda" || (device == "auto" && model.is_script() && cuda_available());
  try {
    if (!model.layers.empty()) check_backend(model, settings);
  } catch (const Error& error) {
    params.problem(key, error.what());
    return settings;
  }
  const std::string backend = backend_identity(model, settings);
  if (params.text("backend", backend, "what must compute it: set it to refuse any other") != backend)
    params.problem("backend",
                   fmt::format("this program computes with {} (the result could differ in its last "
                               "bits); run where it was the same, or remove the key",
                               backend));
  return settings;
}

Model ask_model(Params& params, const std::string& key, const std::string& path, const std::string& builtin) {
  try {
    Bytes file;
    if (!path.empty()) file = read_small_file(path, max_model_bytes);
    const std::span<const std::byte> bytes =
        path.empty() ? builtin_model(builtin) : std::span<const std::byte>{file};
    // The digest is a parameter like others: results depend on it.
    const std::string digest = to_hex(hash128(bytes));
    if (params.text("model_digest", digest, "the model's digest: set it to refuse any other file") != digest)
      params.problem("model_digest",
                     fmt::format("the model has the digest {} (it is not the one that was meant); use the "
                                 "right file, or remove the key",
                                 digest));
    return parse_model(bytes, path.empty() ? "built-in model " + builtin : path);
  } catch (const Error& error) {
    params.problem(key, error.what());
  }
  return {};
}

double per_voxel_read(double bytes, Extent core, Extent margin, const Box& domain) {
  // As a share of the largest box that is read.
  double read = 1;
  for (int axis = 0; axis < 3; ++axis) {
    const Index extent = domain.shape()[axis];
    read *= static_cast<double>(
        std::min({extent, core[axis] + 2 * margin[axis],
                  std::max(core[axis] + margin[axis], extent - core[axis] + margin[axis])}));
  }
  return bytes / std::max(1.0, read);
}

Executables::Lease Executables::lease(FunctionRef<std::unique_ptr<Executable>()> make) const {
  {
    const std::lock_guard lock{mutex_};
    if (!idle_.empty()) {
      auto executable = std::move(idle_.back());
      idle_.pop_back();
      return {*this, std::move(executable)};
    }
  }
  return {*this, make()};
}

void Executables::give_back(std::unique_ptr<Executable> executable) const {
  const std::lock_guard lock{mutex_};
  idle_.push_back(std::move(executable));
}

}  // namespace petavox::network
