#pragma once
// Our side of a comparison: kernels by name, from arrays to an array, as a driver asks for them.

#include "petavox/volume/array.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace petavox::bench {

struct Request {
  std::vector<Array> inputs;
  std::map<std::string, std::string> options;  ///< key=value arguments

  double number(const std::string& key, double otherwise) const {
    const auto at = options.find(key);
    return at == options.end() ? otherwise : std::stod(at->second);
  }
};

/// Called once a round, timed as a whole: allocating the result is part of it, as it is for the peers.
/// What must not be timed is done where the kernel is made from the request.
using Kernel = std::function<Array()>;
using Kernels = std::map<std::string, std::function<Kernel(const Request&)>>;

// One for each file families/*.cpp.
void add_distance(Kernels& kernels);
void add_inputs(Kernels& kernels);
void add_labels(Kernels& kernels);
void add_linkage(Kernels& kernels);
void add_mutex_watershed(Kernels& kernels);
void add_watershed(Kernels& kernels);

}  // namespace petavox::bench
