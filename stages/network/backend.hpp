#pragma once
// What computes a network: oneDNN for graphs of layers, libtorch, where petavox was built with it, for
// TorchScript programs. The stages know this interface only.

#include "stages/network/model.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace petavox::network {

/// A model made ready for windows of one shape. One thread at a time.
class Executable {
 public:
  virtual ~Executable() = default;
  /// image: input_channels x window, already standardised; result: channels of the output x window; both in
  /// raster order. Bit for bit a function of image, model, window, number of threads, library version and
  /// instruction set.
  virtual void run(std::span<const float> image, std::span<float> result) = 0;
  /// Names of the kernels in use, one for each step: a name with "ref" is slow reference code.
  virtual std::vector<std::string> kernels() const = 0;
};

/// How the computation is done: part of what results depend on.
struct BackendSettings {
  int threads = 1;
  bool winograd = true;  ///< convolutions of 3x3x3 in a sixth of the multiplications (winograd.hpp)
  bool cuda = false;     ///< on the first GPU that the process sees; of programs only
};

/// Builds it for tensor `output`. Throws Error{resource} if memory is missing, Error{config} if petavox was
/// built without the library that the model needs, Error{io} if a program does not give what its container
/// states.
std::unique_ptr<Executable> compile(const Model& model, int output, Extent window,
                                    const BackendSettings& settings);

/// Bytes that an Executable holds, at most: activations, weights in the kernels' layout, and its working
/// memory. Of a program, what its container states.
double executable_bytes(const Model& model, int output, Extent window, const BackendSettings& settings);

/// "oneDNN 2.6.3, AVX2": library, version and the instruction set or device in use; "none" if petavox was
/// built without it.
std::string backend_identity(const Model& model, const BackendSettings& settings);

/// Throws Error{config} or Error{io} if the model cannot be computed so: a library or a device is missing, a
/// program cannot be read.
void check_backend(const Model& model, const BackendSettings& settings);

/// True if there is a GPU that libtorch can use.
bool cuda_available();

/// Limits the instruction set of oneDNN: "auto", "sse41", "avx2" or "avx512"; returns false if that is no
/// longer possible or not known. Before anything is compiled.
bool limit_isa(const std::string& isa);

}  // namespace petavox::network
