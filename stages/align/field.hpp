#pragma once
// Displacements on a lattice fixed in the domain, and how they are read between its nodes.
//
// Node n of a lattice of spacing s lies at pixel s n + (s - 1) / 2, the middle of the s pixels that coarsen
// to it; so the lattice of a volume is `coarsened(domain, {1, s, s})`. Two channels, y then x, in 1/1024 of a
// pixel. Between nodes: cubic convolution (Keys 1981, IEEE TASSP 29:1153, a = -1/2), reproducing quadratics;
// beyond the domain the nodes go on linearly for two nodes and are constant from there.

#include "petavox/volume/view.hpp"

#include "stages/align/row_kernels.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace petavox::align {

struct Vec2 {
  double y = 0, x = 0;
  friend Vec2 operator+(Vec2 a, Vec2 b) { return {a.y + b.y, a.x + b.x}; }
  friend Vec2 operator-(Vec2 a, Vec2 b) { return {a.y - b.y, a.x - b.x}; }
  friend Vec2 operator*(double s, Vec2 a) { return {s * a.y, s * a.x}; }
};

inline constexpr double field_units_per_px = 1024;
/// Nodes that an interpolation reads below and above the cell of a position.
inline constexpr Index field_reach = 2;

/// The nearest unit; halves go up. `v` must fit.
std::int32_t to_units(double v);

/// The weights of the four nodes round a position, t of a spacing behind the second.
std::array<double, 4> cubic_weights(double t);

/// Position of the lattice, in nodes, of a pixel position.
inline double node_position(double px, Index spacing) {
  return (px - 0.5 * static_cast<double>(spacing - 1)) / static_cast<double>(spacing);
}
/// Pixel position of a node.
inline double node_centre(Index node, Index spacing) {
  return static_cast<double>(node * spacing) + 0.5 * static_cast<double>(spacing - 1);
}

/// Reads one section of a field (two channels of int32) between its nodes. The view must hold the nodes
/// within field_reach of every position asked for, clipped to its domain.
class FieldSection {
 public:
  FieldSection(View<const std::int32_t> field, Index z, Index spacing)
      : field_{field}, z_{z}, spacing_{spacing} {}

  /// In pixels, at a pixel position.
  Vec2 at(Vec2 px) const;
  /// At nodes (j, i), also beyond the domain. In units.
  Vec2 node(Index j, Index i) const;

 private:
  View<const std::int32_t> field_;
  Index z_, spacing_;
};

/// Rows of displacements at pixels first_px + i step_px, i < count, as FieldSection::at gives them to
/// rounding, at a fraction of the cost.
class FieldRows {
 public:
  FieldRows(const FieldSection& field, Index spacing, double first_px, double step_px, std::size_t count);
  /// In pixels, of the row at y_px: y[i] and x[i].
  void read(double y_px, double* y, double* x);

 private:
  FieldSection field_;
  Index spacing_, first_column_ = 0;
  std::optional<Index> first_row_;  ///< of nodes_
  std::vector<NodeRun> runs_;
  std::array<std::vector<double>, 4> weights_;
  std::size_t num_columns_ = 0;
  std::vector<double> nodes_;    ///< of four rows, row by row: y of all columns, then x
  std::vector<double> columns_;  ///< the field along the row, at the nodes' columns: y, then x
};

}  // namespace petavox::align
