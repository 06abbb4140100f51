#pragma once
// Positions and lengths in voxels, in the order z, y, x (z slowest).

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace petavox {

/// Voxel coordinates and counts. A volume of 1.4 PB needs 51 bits.
using Index = std::int64_t;

/// An absolute position.
struct Coord {
  Index z{}, y{}, x{};
  friend constexpr bool operator==(const Coord&, const Coord&) = default;
  /// Lexicographic: the order of the raster.
  friend constexpr auto operator<=>(const Coord&, const Coord&) = default;

  constexpr Index& operator[](int axis) { return axis == 0 ? z : axis == 1 ? y : x; }
  constexpr Index operator[](int axis) const { return axis == 0 ? z : axis == 1 ? y : x; }
};

/// Lengths along the axes.
struct Extent {
  Index z{}, y{}, x{};
  friend constexpr bool operator==(const Extent&, const Extent&) = default;

  static constexpr Extent cube(Index n) { return {n, n, n}; }
  constexpr Index voxels() const { return z * y * x; }
  constexpr Index& operator[](int axis) { return axis == 0 ? z : axis == 1 ? y : x; }
  constexpr Index operator[](int axis) const { return axis == 0 ? z : axis == 1 ? y : x; }
};

constexpr Coord operator+(Coord p, Extent e) { return {p.z + e.z, p.y + e.y, p.x + e.x}; }
constexpr Coord operator-(Coord p, Extent e) { return {p.z - e.z, p.y - e.y, p.x - e.x}; }
constexpr Extent operator-(Coord a, Coord b) { return {a.z - b.z, a.y - b.y, a.x - b.x}; }

/// Quotient rounded towards minus infinity; b > 0.
constexpr Index floor_div(Index a, Index b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
/// Quotient rounded towards plus infinity; b > 0.
constexpr Index ceil_div(Index a, Index b) { return -floor_div(-a, b); }

/// "(z,y,x)".
std::string to_string(const Coord& p);
/// "ZxYxX".
std::string to_string(const Extent& e);

}  // namespace petavox
