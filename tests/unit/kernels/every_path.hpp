#pragma once
// Runs a test on every vector path of this machine.

#include "petavox/base/simd.hpp"

namespace petavox::testing {

/// Calls f(path) with each path in use; the best one is in use again afterwards.
template <class F>
void on_every_path(const F& f) {
  struct Restore {
    ~Restore() { simd::use_path("best"); }
  } restore;
  for (const std::string& path : simd::paths()) {
    simd::use_path(path);
    f(path);
  }
}

}  // namespace petavox::testing
