#pragma once
// What computes a network. One implementation: oneDNN (onednn.cpp). The stages know this interface only.

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
};

/// Builds it for tensor `output`. Throws Error{resource} if memory is missing, Error{config} if petavox was
/// built without a backend.
std::unique_ptr<Executable> compile(const Model& model, int output, Extent window,
                                    const BackendSettings& settings);

/// Bytes that an Executable holds, at most: activations, weights in the kernels' layout, and its working
/// memory.
double executable_bytes(const Model& model, int output, Extent window, const BackendSettings& settings);

/// "oneDNN 2.6.3, AVX2": library, version and the instruction set in use; "none" without a backend.
std::string backend_identity();

/// Limits the instruction set: "auto", "sse41", "avx2" or "avx512"; returns false if that is no longer
/// possible or not known. Before anything is compiled.
bool limit_isa(const std::string& isa);

}  // namespace petavox::network
