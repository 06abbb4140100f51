#pragma once
// What may touch one tile: the tubes that compete for its space, and what lies inside them. Built for a box
// of lattice space; a pure function of the tissue and that box.

#include "stages/phantom/tissue.hpp"

#include <vector>

namespace petavox::phantom {

/// An object as the painter sees it.
struct Actor {
  std::uint64_t label = 0;
  ChainKind kind{};
  float grey = 0;     ///< of its cytoplasm
  float texture = 0;  ///< strength of its granules
  bool has_soma = false;
};

/// A segment with a radius that runs linearly from a to b, or (shell > 0) a sheet of half thickness `shell`
/// round that surface. A bridge between two actors has them both; other tubes have the same one twice.
struct Tube {
  Vec a{}, b{};
  double radius_a = 0, radius_b = 0, shell = 0;
  int actor = 0, other = 0;
};

struct Mitochondrion {
  Vec a{}, b{};
  double radius = 0;
  int actor = 0;
  std::uint64_t word = 0;
};

struct Patch {
  Vec position{}, towards_post{};
  double radius = 0;
  int pre = -1, post = -1;  ///< actors; -1: out of reach of the tile
};

struct Scene {
  std::vector<Actor> actors;
  std::vector<Tube> tubes;
  std::vector<Mitochondrion> mitochondria;
  std::vector<Patch> patches;

  /// Gathers everything that can matter within low..high.
  void collect(const Tissue& tissue, const Vec& low, const Vec& high);
};

/// No point is farther than this from the tubes that decide about it.
inline constexpr double scene_margin = 60;

}  // namespace petavox::phantom
