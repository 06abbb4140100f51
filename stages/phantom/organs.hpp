#pragma once
// Where the big things are: the rods on which all neurites run, the thick trunks (vessels, dendrites,
// myelinated axons) and the cell bodies. Everything here lives in lattice space, where neurites are straight;
// deformation.hpp bends it into tissue.
//
// Rods are the lines of a cubic rod packing: three families, one along each axis, of which no two ever meet.
// The rod (axis, i, j) runs along `axis`; with b = axis + 1 and c = axis + 2 modulo 3 it is the line b = 64
// i, c = 64 j + 32. Rods of different families pass each other at distance 32. Nodes sit on a rod at
// multiples of 32; at even nodes it passes rods of family c (in direction b), at odd nodes rods of family b
// (in direction c).

#include "stages/phantom/field.hpp"

#include <optional>

namespace petavox::phantom {

inline constexpr double rod_spacing = 64;
inline constexpr double node_spacing = 32;

using Int = std::int64_t;

struct Rod {
  int axis = 0;
  Int i = 0, j = 0;
  friend bool operator==(const Rod&, const Rod&) = default;
};
constexpr std::size_t axis_b(const Rod& rod) { return static_cast<std::size_t>((rod.axis + 1) % 3); }
constexpr std::size_t axis_c(const Rod& rod) { return static_cast<std::size_t>((rod.axis + 2) % 3); }
constexpr Vec rod_point(const Rod& rod, double t) {
  Vec p{};
  p[static_cast<std::size_t>(rod.axis)] = t;
  p[axis_b(rod)] = rod_spacing * static_cast<double>(rod.i);
  p[axis_c(rod)] = rod_spacing * static_cast<double>(rod.j) + rod_spacing / 2;
  return p;
}

enum class TrunkKind { vessel, dendrite, myelinated };

/// A rod whose core is blown up: distance `thin` from its axis in lattice space is `thick` in tissue, and
/// from `reach` outwards nothing moves.
struct Trunk {
  TrunkKind kind{};
  Rod rod;
  double thin = 0, thick = 0, reach = 0;
};

/// A ball on a rod, blown up in the same way.
struct Soma {
  Rod rod;
  Int node = 0;
  double thin = 0, thick = 0, reach = 0;
  Vec center() const { return rod_point(rod, node_spacing * static_cast<double>(node)); }
};

class Organs {
 public:
  explicit Organs(std::uint64_t seed);

  /// All trunks run along this axis.
  int trunk_axis() const { return trunk_axis_; }
  /// The trunk whose influence lattice point p may feel.
  std::optional<Trunk> trunk_near(const Vec& p) const;
  std::optional<Trunk> trunk_on(const Rod& rod) const;

  /// The soma whose influence a point p of lattice space, or of tissue before the last bend, may feel.
  std::optional<Soma> soma_near(const Vec& p) const;
  /// The soma on this rod that is nearest to node m, if it is within 16 nodes.
  std::optional<Soma> soma_on(const Rod& rod, Int node) const;

 private:
  std::optional<Trunk> trunk_in(Int column_b, Int column_c) const;
  std::optional<Soma> soma_in(Int cz, Int cy, Int cx) const;
  std::uint64_t seed_;
  int trunk_axis_;
};

}  // namespace petavox::phantom
