#pragma once
// Numbers of bytes for people.

#include <cstddef>
#include <iterator>
#include <string>

#include <fmt/format.h>

namespace petavox::app {

/// "1.5 GB", in powers of 1000.
inline std::string bytes_text(double bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < std::size(units)) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 || bytes >= 100 ? 0 : 1, units[unit]);
}

}  // namespace petavox::app
