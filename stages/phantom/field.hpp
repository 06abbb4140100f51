#pragma once
// Points, hashes and smooth noise of the phantom: arithmetic with + - * / and floor alone, hence the same
// bits on every machine. Positions are in tissue units of 10 nm, in the order z, y, x.

#include "petavox/base/hash.hpp"

#include <array>
#include <cmath>
#include <cstdint>

namespace petavox::phantom {

inline constexpr double unit_nm = 10;

using Vec = std::array<double, 3>;

constexpr Vec operator+(const Vec& a, const Vec& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
constexpr Vec operator-(const Vec& a, const Vec& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
constexpr Vec operator*(const Vec& a, double s) { return {a[0] * s, a[1] * s, a[2] * s}; }
constexpr double dot(const Vec& a, const Vec& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline double length(const Vec& a) { return std::sqrt(dot(a, a)); }
constexpr Vec between(const Vec& a, const Vec& b, double t) { return a + (b - a) * t; }

/// A random word for a tuple of integers.
template <class... Ints>
constexpr std::uint64_t hash_of(std::uint64_t seed, Ints... values) {
  std::uint64_t h = seed;
  ((h = mix64((h ^ static_cast<std::uint64_t>(values)) * 0x9e3779b97f4a7c15ULL + 0x632be59bd9b4e019ULL)),
   ...);
  return h;
}

/// Part `n` (0..3) of a random word as a number in [0, 1).
constexpr double unit(std::uint64_t h, int n = 0) {
  return static_cast<double>(h >> (16 * n) & 0xffffU) * (1.0 / 65536);
}
/// The same in [-1, 1).
constexpr double signed_unit(std::uint64_t h, int n = 0) { return 2 * unit(h, n) - 1; }
/// Roughly normal with mean 0 and deviation 1: four uniform parts.
constexpr double bell(std::uint64_t h) {
  return (signed_unit(h, 0) + signed_unit(h, 1) + signed_unit(h, 2) + signed_unit(h, 3)) * 0.8660254037844386;
}

constexpr double smooth_step(double t) { return t * t * (3 - 2 * t); }
constexpr double lerp(double a, double b, double t) { return a + (b - a) * t; }

/// Continuous with its first derivative; each component in [-1, 1); features about as large as `cell`.
inline Vec vector_noise(std::uint64_t seed, const Vec& p, double cell) {
  std::array<std::int64_t, 3> base{};
  Vec t{};
  for (std::size_t a = 0; a < 3; ++a) {
    const double q = p[a] / cell;
    const double floor = std::floor(q);
    base[a] = static_cast<std::int64_t>(floor);
    t[a] = smooth_step(q - floor);
  }
  std::array<Vec, 8> corner{};
  for (std::size_t n = 0; n < 8; ++n) {
    const std::uint64_t h =
        hash_of(seed, base[0] + static_cast<std::int64_t>(n >> 2),
                base[1] + static_cast<std::int64_t>(n >> 1 & 1), base[2] + static_cast<std::int64_t>(n & 1));
    corner[n] = {signed_unit(h, 0), signed_unit(h, 1), signed_unit(h, 2)};
  }
  for (std::size_t n = 0; n < 4; ++n) corner[n] = between(corner[n], corner[n + 4], t[0]);
  for (std::size_t n = 0; n < 2; ++n) corner[n] = between(corner[n], corner[n + 2], t[1]);
  return between(corner[0], corner[1], t[2]);
}

/// Smooth noise along one axis, in [-1, 1).
inline double line_noise(std::uint64_t seed, double p, double cell) {
  const double q = p / cell;
  const double floor = std::floor(q);
  const auto base = static_cast<std::int64_t>(floor);
  return lerp(signed_unit(hash_of(seed, base)), signed_unit(hash_of(seed, base + 1)), smooth_step(q - floor));
}

}  // namespace petavox::phantom
