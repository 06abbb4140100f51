#pragma once
// How much resident memory a piece of work took at its height.

#include "petavox/memory/kept_pages.hpp"
#include "petavox/volume/array_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

namespace petavox::bench {

/// From construction on, when all that was kept is given back. Linux only; counts pages.
class PeakMemory {
 public:
  PeakMemory() {
    array_memory().release();
    std::ofstream{"/proc/self/clear_refs"} << "5";  // the high-water mark starts anew
    before_ = status("VmRSS:");
  }
  /// The high-water mark above what was resident at the beginning.
  std::uint64_t bytes() const {
    const std::uint64_t peak = status("VmHWM:");
    return peak > before_ ? peak - before_ : 0;
  }

 private:
  static std::uint64_t status(const std::string& key) {
    std::ifstream file{"/proc/self/status"};
    std::string word;
    std::uint64_t kib = 0;
    while (file >> word)
      if (word == key && file >> kib) break;
    return kib * 1024;
  }
  std::uint64_t before_ = 0;
};

/// As `petavox` does.
inline void keep_pages_as_petavox() {
  return_freed_blocks();
  keep_freed_pages();
}

}  // namespace petavox::bench
