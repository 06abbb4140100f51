#pragma once
// What a voxel looks like and what it is made of, given its owner and its distance to the border: cytoplasm
// with granules, membranes, mitochondria, myelin, vessels, nuclei, synapses, vesicles; then the microscope:
// noise and the brightness of the section.

#include "stages/phantom/owners.hpp"

namespace petavox::phantom {

/// One voxel as Owners saw it.
struct Spot {
  Vec tissue{};               ///< units
  float z = 0, y = 0, x = 0;  ///< lattice space, relative to the tile's origin
  float depth = 0, border = 0, corner = 0;
  float soma = 0, trunk = 0;  ///< as in Deformation::Place
  std::int32_t actor = 0, rival = -1;
};

struct Look {
  float grey = 0;
  PhantomType type = PhantomType::cytoplasm;
  bool outside = false;  ///< extracellular: label 0
};

class Shader {
 public:
  explicit Shader(const Tissue& tissue);
  void set_tile(const Scene& scene, const Vec& origin);
  /// `index` is the cell's position in the lattice of cells.
  void set_cell(const std::array<Int, 3>& index, const Cell& cell, float scale);
  /// The tissue itself. `t` is the place in the cell, 0..1 an axis.
  Look look(const Spot& spot, const std::array<float, 3>& t) const;
  /// The grey value that the microscope records of it.
  std::uint8_t record(float grey, const Coord& voxel) const;
  /// To be called before record() for the voxels of a section.
  void set_section(Index z);

 private:
  struct Rod3 {
    float a[3], d[3], inverse, radius, grey, phase;
    float across[3];
    std::int32_t actor;
  };
  struct Site {
    float at[3], towards[3], radius;
    std::int32_t pre, post;
  };
  float fine(const std::array<float, 3>& t) const;
  float coarse(const std::array<float, 3>& t) const;
  bool vesicle(const Vec& tissue, float& shade) const;
  Look cytoplasm(const Spot& spot, const Actor& owner, float fine, float coarse) const;
  void add_mitochondria(const Spot& spot, float fine, float coarse, Look& look) const;
  void add_free_mitochondria(const Spot& spot, const Actor& owner, float fine, float coarse,
                             Look& look) const;
  void add_synapses(const Spot& spot, Look& look) const;

  const Tissue* tissue_;
  std::uint64_t seed_;
  const Scene* scene_ = nullptr;
  std::vector<Rod3> rods_, near_rods_;
  std::vector<Site> sites_, near_sites_;
  std::array<float, 64> fine_{};
  std::array<float, 8> coarse_{};
  float scale_ = 1;
  float gain_ = 1, offset_ = 0;
};

}  // namespace petavox::phantom
