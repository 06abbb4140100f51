#pragma once
// The smooth map between tissue (what is seen) and lattice space (where neurites run straight): three octaves
// of bending, then cell bodies and trunks that push everything else aside. A composition of homeomorphisms
// outside the organs' cores, so what is connected in one space is connected in the other. Immutable, hence
// thread-safe.

#include "stages/phantom/organs.hpp"

#include <utility>

namespace petavox::phantom {

class Deformation {
 public:
  Deformation(std::uint64_t seed, const Organs& organs);

  static constexpr double far = 4, far_units = 64;
  struct Place {
    Vec lattice{};
    double soma =
        far;  ///< distance from the centre of the nearest soma, as a share of its radius; at most far
    double trunk = far_units;  ///< distance to the surface of the nearest trunk, in tissue units, < 0 inside
  };
  Place to_lattice(const Vec& tissue) const;
  /// Inverse to within 1e-3 outside the organs' cores; exact centre lines inside.
  Vec to_tissue(const Vec& lattice) const;

  /// Unit vector, in tissue before it is bent, of an axis of lattice space.
  const Vec& direction(int axis) const { return turn_[static_cast<std::size_t>(axis)]; }
  /// The rotation and scaling with which to_lattice() begins.
  Vec turned(const Vec& tissue) const;
  /// What follows moves no point farther than this along an axis of lattice space.
  static constexpr double largest_shift = 240;
  /// The box of lattice space that holds whatever is seen between two corners of tissue.
  std::pair<Vec, Vec> bounds(const Vec& low, const Vec& high) const;
  /// Lattice units per tissue unit before anything is bent.
  static constexpr double scale = 1.12;

 private:
  Vec push_from_trunk(const Vec& p) const;
  std::uint64_t seed_;
  const Organs* organs_;
  std::array<Vec, 3> turn_{};  // rows of a rotation
};

}  // namespace petavox::phantom
