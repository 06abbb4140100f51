#pragma once
// Smooth random pictures that can be looked up between their pixels: the truth for the tests of the
// alignment.

#include "petavox/base/hash.hpp"
#include "petavox/geometry/coord.hpp"

#include <cmath>
#include <cstdint>

namespace petavox::test {

/// Grey level, 10 to 245, at any position of section `seed`: values on three lattices, cosine-interpolated.
inline double texture_at(std::uint64_t seed, double y, double x) {
  double sum = 0;
  for (const double scale : {5.0, 11.0, 23.0}) {
    const double v = y / scale, u = x / scale;
    const double fy = std::floor(v), fx = std::floor(u);
    const auto corner = [&](double dy, double dx) {
      const auto j = static_cast<std::uint64_t>(static_cast<std::int64_t>(fy + dy) + 100000);
      const auto i = static_cast<std::uint64_t>(static_cast<std::int64_t>(fx + dx) + 100000);
      return static_cast<double>(
                 mix64(seed ^ mix64(j * 1000003 + mix64(i + static_cast<std::uint64_t>(scale)))) >> 40) /
             16777216.0;
    };
    const auto ease = [](double t) { return t * t * (3 - 2 * t); };
    const double ty = ease(v - fy), tx = ease(u - fx);
    sum += (1 - ty) * ((1 - tx) * corner(0, 0) + tx * corner(0, 1)) +
           ty * ((1 - tx) * corner(1, 0) + tx * corner(1, 1));
  }
  return 10 + 235 * sum / 3;
}

}  // namespace petavox::test
