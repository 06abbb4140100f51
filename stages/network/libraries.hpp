#pragma once
// The libraries that backend.hpp stands before. Each is seen by one file: onednn.cpp, libtorch.cpp.

#include "stages/network/backend.hpp"

namespace petavox::network {

class Library {
 public:
  virtual ~Library() = default;
  virtual std::unique_ptr<Executable> compile(const Model& model, int output, Extent window,
                                              const BackendSettings& settings) const = 0;
  virtual double executable_bytes(const Model& model, int output, Extent window,
                                  const BackendSettings& settings) const = 0;
  virtual std::string identity(const BackendSettings& settings) const = 0;
  /// Throws Error{config} or {io} for a model or settings that it cannot compute with.
  virtual void check(const Model& model, const BackendSettings& settings) const = 0;
};

/// nullptr if petavox was built without it.
const Library* onednn();
const Library* libtorch();

}  // namespace petavox::network
