#pragma once
// Many symmetric banded systems side by side, one for each column of a lattice: what couples a node with the
// nodes of other sections at the same place. Cost and memory are linear in the nodes. Fixed order of
// additions.

#include "petavox/geometry/box.hpp"

#include <vector>

namespace petavox::align {

class Lines {
 public:
  /// `columns` systems of `sections` unknowns, coupled over at most `band` sections.
  Lines(Index sections, Index columns, int band);

  void clear();
  void add_diagonal(Index z, Index column, double w) { at(z, 0, column) += w; }
  /// Adds w (v(z) - v(z - d))^2 to the energy.
  void couple(Index z, int d, Index column, double w) {
    at(z, 0, column) += w;
    at(z - d, 0, column) += w;
    at(z, d, column) -= w;
  }
  /// out = A v; both section by section, `columns` values each.
  void multiply(const std::vector<double>& v, std::vector<double>& out) const;
  /// Replaces the matrices by their factors L D L^T. They must be positive definite.
  void factor();
  /// Replaces the right sides by the solutions. After factor().
  void solve(std::vector<double>& v) const;

 private:
  double& at(Index z, int d, Index column) {
    return a_[static_cast<std::size_t>((z * (band_ + 1) + d) * columns_ + column)];
  }
  const double* row(Index z, int d) const {
    return &a_[static_cast<std::size_t>((z * (band_ + 1) + d) * columns_)];
  }
  double* row(Index z, int d) { return &a_[static_cast<std::size_t>((z * (band_ + 1) + d) * columns_)]; }

  Index sections_, columns_;
  int band_;
  std::vector<double> a_;  // element (z, z - d) of every column, d = 0 … band
};

}  // namespace petavox::align
