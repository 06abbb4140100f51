#pragma once
// Who owns the voxels of a plane of a cell: the nearest tube, the nearest tube of another object, and how far
// the border between them is.

#include "stages/phantom/scene.hpp"

#include <vector>

namespace petavox::phantom {

inline constexpr double cell_size = 8;
/// Distances to a border are exact up to this (in lattice space) and cut off beyond.
inline constexpr float gap_limit = 8.5F;
/// Up to this, in lattice space, all rivals are asked for the nearest border.
inline constexpr float close_gap = 4.4F;
inline constexpr float far_corner = 1e9F;

/// A cell's corner values, relative to the tile's origin in lattice space; corner 4 dz + 2 dy + dx.
struct Cell {
  std::array<Vec, 8> lattice{};
  std::array<double, 8> soma{}, trunk{};  ///< as in Deformation::Place
};

/// The voxels of one z-plane of a cell, row by row, in units of the cell (0..1).
struct Plane {
  double z = 0;
  std::vector<double> y, x;
  std::size_t size() const { return y.size() * x.size(); }
};

class Owners {
 public:
  /// Takes the tubes of a tile; `origin` is the point of lattice space that coordinates are relative to.
  void set_tile(const Scene& scene, const Vec& origin);
  /// Selects the tubes that can own voxels of the cell or border on their owners.
  void set_cell(const Cell& cell);
  /// Fills the arrays below.
  void find(const Plane& plane);

  // For each voxel of the plane:
  std::vector<float> z, y, x;              ///< lattice space, relative to the origin
  std::vector<std::int32_t> actor, rival;  ///< owner, and the nearest other (-1: none near)
  std::vector<float> depth;   ///< distance to the owner's tube surface, in lattice space: < 0 inside
  std::vector<float> border;  ///< distance to the border, in tissue units, cut off
  std::vector<float> corner;  ///< distance to the next border but one, if that is near, else large
  float scale = 1;            ///< lattice units per tissue unit, about, in this cell

 private:
  struct Near {
    float a[3], d[3], inverse, radius, slope, shell, bound;
    std::int32_t actor, other;
  };
  struct Reach {
    float distance;
    float normal[3];
  };
  static Reach reach(const Near& tube, float z, float y, float x);
  float border_between(const Reach& mine, const Reach& theirs) const;
  void cross_bridge(std::size_t v, std::size_t n);
  void distances(std::size_t n);
  void rivals(std::size_t n);
  void borders(std::size_t n);

  std::vector<Near> tile_, near_;
  std::vector<float> far_, all_;  // lower bounds of the tile's tubes; distances tube by tube
  std::vector<std::int32_t> best_, second_, best_actor_, best_other_;
  std::vector<float> first_, next_;
  std::array<Vec, 8> corner_{};
  std::array<std::array<float, 3>, 3> jacobian_{};  // [tissue axis][lattice axis]
};

}  // namespace petavox::phantom
