#include "stages/tiles/positions.hpp"

#include "stages/coarse_align/statistics.hpp"

#include <Eigen/Sparse>
#include <algorithm>
#include <cmath>

namespace petavox::tiles {
namespace {

using Matrix = Eigen::SparseMatrix<double>;

/// Sums w (sum of c_i v_i - target)^2 into normal equations with two right sides.
class LeastSquares {
 public:
  explicit LeastSquares(Eigen::Index unknowns) : right_{Eigen::MatrixXd::Zero(unknowns, 2)} {}

  struct Term {
    Eigen::Index unknown;
    double factor;
  };
  void add(const std::vector<Term>& terms, double weight, double target_y, double target_x) {
    for (const Term& a : terms) {
      for (const Term& b : terms) entries_.emplace_back(a.unknown, b.unknown, weight * a.factor * b.factor);
      right_(a.unknown, 0) += weight * a.factor * target_y;
      right_(a.unknown, 1) += weight * a.factor * target_x;
    }
  }
  /// One column a right side. The equations must determine all unknowns.
  Eigen::MatrixXd solve() const {
    Matrix matrix{right_.rows(), right_.rows()};
    matrix.setFromTriplets(entries_.begin(), entries_.end());
    const Eigen::SimplicialLDLT<Matrix> factored{matrix};
    if (factored.info() != Eigen::Success)
      throw Error{ErrorCode::internal,
                  "the equations of a section's tiles could not be solved (they are not "
                  "positive definite); report this with the tile list"};
    return factored.solve(right_);
  }

 private:
  std::vector<Eigen::Triplet<double>> entries_;
  Eigen::MatrixXd right_;
};

/// Weight of a residual under Cauchy's distribution: outliers fade.
double trust(double residual, double scale) { return 1 / (1 + residual * residual / (scale * scale)); }

double residual_of(const std::vector<SolvedTile>& tiles, const Link& link, double dy, double dx) {
  const SolvedTile &a = tiles[static_cast<std::size_t>(link.first)],
                   &b = tiles[static_cast<std::size_t>(link.second)];
  const double y = b.y - a.y - dy, x = b.x - a.x - dx;
  return std::sqrt(y * y + x * x);
}

void report_links(std::vector<SolvedTile>& tiles, const std::vector<Link>& links, double believed) {
  std::vector<std::vector<double>> residuals(tiles.size());
  for (const Link& link : links) {
    if (residual_of(tiles, link, link.offset.dy, link.offset.dx) > believed) continue;
    for (const Index slot : {link.first, link.second}) {
      const auto i = static_cast<std::size_t>(slot);
      ++tiles[i].links;
      for (const Patch& p : link.offset.patches) residuals[i].push_back(residual_of(tiles, link, p.dy, p.dx));
    }
  }
  for (std::size_t i = 0; i < tiles.size(); ++i)
    tiles[i].residual = coarse_align::median(std::move(residuals[i]));
}

}  // namespace

NodeWeights node_weights(double y, double x, Index height, Index width) {
  const auto along = [](double v, Index extent, std::size_t& low, double& t) {
    const double place =
        std::clamp(v / std::max(1.0, static_cast<double>(extent - 1)) * (nodes - 1), 0.0, nodes - 1.0);
    low = std::min(static_cast<std::size_t>(place), static_cast<std::size_t>(nodes - 2));
    t = place - static_cast<double>(low);
  };
  std::size_t j = 0, i = 0;
  double t = 0, s = 0;
  along(y, height, j, t);
  along(x, width, i, s);
  constexpr auto n = static_cast<std::size_t>(nodes);
  return {{j * n + i, j * n + i + 1, (j + 1) * n + i, (j + 1) * n + i + 1},
          {(1 - t) * (1 - s), (1 - t) * s, t * (1 - s), t * s}};
}

void solve_places(std::vector<SolvedTile>& tiles, const std::vector<Link>& links) {
  constexpr double anchor = 1e-6;  // of a link: only fixes what links leave open
  for (SolvedTile& tile : tiles) {
    tile.y = tile.nominal_y;
    tile.x = tile.nominal_x;
  }
  // From a scale at which all links have a say down to pixels.
  for (const double scale : {1e6, 64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0}) {
    LeastSquares equations{static_cast<Eigen::Index>(tiles.size())};
    for (std::size_t i = 0; i < tiles.size(); ++i)
      equations.add({{static_cast<Eigen::Index>(i), 1}}, anchor, tiles[i].nominal_y, tiles[i].nominal_x);
    for (const Link& link : links) {
      const double residual = residual_of(tiles, link, link.offset.dy, link.offset.dx);
      const double weight = link.offset.correlation * static_cast<double>(link.offset.patches.size());
      equations.add({{link.second, 1}, {link.first, -1}}, weight * trust(residual, scale), link.offset.dy,
                    link.offset.dx);
    }
    const Eigen::MatrixXd places = equations.solve();
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      tiles[i].y = places(static_cast<Eigen::Index>(i), 0);
      tiles[i].x = places(static_cast<Eigen::Index>(i), 1);
    }
  }
  constexpr double believed = 8;
  report_links(tiles, links, believed);
}

void solve_bends(std::vector<SolvedTile>& tiles, const std::vector<Link>& links, double stiffness) {
  constexpr auto per_tile = static_cast<Eigen::Index>(nodes * nodes);
  constexpr double rest = 1e-3, shear = 0.02;  // of the stiffness: against shifting and against stretching
  constexpr double largest = 8;                // pixels beyond the places that a patch may ask for
  const auto unknown = [&](Index slot, std::size_t node) {
    return static_cast<Eigen::Index>(slot) * per_tile + static_cast<Eigen::Index>(node);
  };
  std::vector<double> y(static_cast<std::size_t>(per_tile) * tiles.size(), 0.0), x = y;
  for (int round = 0; round < 5; ++round) {
    LeastSquares equations{per_tile * static_cast<Eigen::Index>(tiles.size())};
    for (Index slot = 0; slot < static_cast<Index>(tiles.size()); ++slot)
      for (std::size_t j = 0; j < nodes; ++j)
        for (std::size_t i = 0; i < nodes; ++i) {
          const auto at = [&](std::size_t jj, std::size_t ii) { return unknown(slot, jj * nodes + ii); };
          equations.add({{at(j, i), 1}}, stiffness * rest, 0, 0);
          if (i + 1 < nodes) equations.add({{at(j, i + 1), 1}, {at(j, i), -1}}, stiffness * shear, 0, 0);
          if (j + 1 < nodes) equations.add({{at(j + 1, i), 1}, {at(j, i), -1}}, stiffness * shear, 0, 0);
          if (i + 2 < nodes)
            equations.add({{at(j, i + 2), 1}, {at(j, i + 1), -2}, {at(j, i), 1}}, stiffness, 0, 0);
          if (j + 2 < nodes)
            equations.add({{at(j + 2, i), 1}, {at(j + 1, i), -2}, {at(j, i), 1}}, stiffness, 0, 0);
        }
    for (const Link& link : links)
      for (const Patch& p : link.offset.patches) {
        const SolvedTile &a = tiles[static_cast<std::size_t>(link.first)],
                         &b = tiles[static_cast<std::size_t>(link.second)];
        // a.place + bend_a + p = b.place + bend_b + p - d
        const double ty = b.y - a.y - p.dy, tx = b.x - a.x - p.dx;
        if (ty * ty + tx * tx > largest * largest) continue;
        const NodeWeights na = node_weights(p.y, p.x, a.height, a.width);
        const NodeWeights nb = node_weights(p.y - p.dy, p.x - p.dx, b.height, b.width);
        std::vector<LeastSquares::Term> terms;
        double ry = -ty, rx = -tx;
        for (std::size_t k = 0; k < 4; ++k) {
          terms.push_back({unknown(link.first, na.node[k]), na.weight[k]});
          terms.push_back({unknown(link.second, nb.node[k]), -nb.weight[k]});
        }
        for (const LeastSquares::Term& term : terms) {
          ry += term.factor * y[static_cast<std::size_t>(term.unknown)];
          rx += term.factor * x[static_cast<std::size_t>(term.unknown)];
        }
        const double residual = round == 0 ? 0 : std::sqrt(ry * ry + rx * rx);
        equations.add(terms, p.weight * trust(residual, 1), ty, tx);
      }
    const Eigen::MatrixXd bends = equations.solve();
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = bends(static_cast<Eigen::Index>(i), 0);
      x[i] = bends(static_cast<Eigen::Index>(i), 1);
    }
  }
  for (std::size_t t = 0; t < tiles.size(); ++t)
    for (std::size_t n = 0; n < static_cast<std::size_t>(per_tile); ++n) {
      tiles[t].bend_y[n] = y[t * static_cast<std::size_t>(per_tile) + n];
      tiles[t].bend_x[n] = x[t * static_cast<std::size_t>(per_tile) + n];
    }
}

void solve_gains(std::vector<SolvedTile>& tiles, const std::vector<Link>& links) {
  constexpr double anchor = 0.05;  // towards 1, of a link
  LeastSquares equations{static_cast<Eigen::Index>(tiles.size())};
  for (std::size_t i = 0; i < tiles.size(); ++i)
    equations.add({{static_cast<Eigen::Index>(i), 1}}, anchor, 1, 0);
  for (const Link& link : links) {
    const double a = link.offset.mean_own, b = link.offset.mean_other;
    if (!(a > 1 && b > 1)) continue;
    const double scale = (a + b) / 2;
    equations.add({{link.first, a / scale}, {link.second, -b / scale}}, 1, 0, 0);
  }
  const Eigen::MatrixXd gains = equations.solve();
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < tiles.size(); ++i)
    if (usable(tiles[i].state)) {
      sum += gains(static_cast<Eigen::Index>(i), 0);
      count += 1;
    }
  for (std::size_t i = 0; i < tiles.size(); ++i)
    tiles[i].gain = sum > 0 ? std::clamp(gains(static_cast<Eigen::Index>(i), 0) * count / sum, 0.5, 2.0) : 1;
}

}  // namespace petavox::tiles
