// Which library computes a model: graphs of layers go to oneDNN, programs to libtorch.

#include "stages/network/backend.hpp"

#include "petavox/volume/array_memory.hpp"

#include "stages/network/libraries.hpp"

namespace petavox::network {
namespace {

const Library* library_of(const Model& model) { return model.is_script() ? libtorch() : onednn(); }

const Library& needed(const Model& model) {
  const Library* library = library_of(model);
  if (library != nullptr) return *library;
  throw Error{
      ErrorCode::config,
      model.is_script()
          ? "this petavox was built without libtorch (the model is a TorchScript program); install "
            "libtorch-dev and build with -DPETAVOX_WITH_TORCH=ON"
          : "this petavox was built without oneDNN (networks cannot be computed); install libdnnl-dev and "
            "build with -DPETAVOX_WITH_ONEDNN=ON"};
}

}  // namespace

std::unique_ptr<Executable> compile(const Model& model, int output, Extent window,
                                    const BackendSettings& settings) {
  const Library& library = needed(model);
  library.check(model, settings);
  // The library's memory is not among the pages that are counted: none are kept while it grows.
  array_memory().release();
  return library.compile(model, output, window, settings);
}

double executable_bytes(const Model& model, int output, Extent window, const BackendSettings& settings) {
  const Library* library = library_of(model);
  return library == nullptr ? 0 : library->executable_bytes(model, output, window, settings);
}

std::string backend_identity(const Model& model, const BackendSettings& settings) {
  const Library* library = library_of(model);
  return library == nullptr ? "none" : library->identity(settings);
}

void check_backend(const Model& model, const BackendSettings& settings) {
  needed(model).check(model, settings);
}

}  // namespace petavox::network
