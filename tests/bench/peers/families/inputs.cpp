// Volumes to work on: the phantom, and affinities from grey values.

#include "stages/boundary/kernel.hpp"
#include "stages/phantom/phantom.hpp"

#include "ours.hpp"

namespace petavox::bench {
namespace {

Phantom phantom_of(const Request& request) {
  PhantomSpec spec;
  spec.shape = Extent::cube(static_cast<Index>(request.number("edge", 256)));
  return Phantom{spec};
}

}  // namespace

void add_inputs(Kernels& kernels) {
  kernels["phantom_labels"] = [](const Request& request) -> Kernel {
    const Index edge = static_cast<Index>(request.number("edge", 256));
    return [phantom = std::make_shared<Phantom>(phantom_of(request)), edge] {
      return phantom->block(Box::from({0, 0, 0}, Extent::cube(edge))).labels;
    };
  };
  kernels["phantom_raw"] = [](const Request& request) -> Kernel {
    const Index edge = static_cast<Index>(request.number("edge", 256));
    return [phantom = std::make_shared<Phantom>(phantom_of(request)), edge] {
      return phantom->block(Box::from({0, 0, 0}, Extent::cube(edge))).raw;
    };
  };
  kernels["boundary"] = [](const Request& request) -> Kernel {
    return [&request] {
      const Array& raw = request.inputs.at(0);
      const boundary::Settings settings;
      Array out{DType::u8, raw.box(), 3};
      boundary::affinities_of(raw, out.view<std::uint8_t>(), settings,
                              boundary::filters_of(settings, {10, 10, 10}));
      return out;
    };
  };
}

}  // namespace petavox::bench
