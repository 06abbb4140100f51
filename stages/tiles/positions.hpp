#pragma once
// From the pairs of a section to the place, the bend and the gain of each tile: sparse least squares, robust
// by re-weighting. Plain functions; one thread, fixed order.

#include "stages/tiles/offsets.hpp"

#include <array>

namespace petavox::tiles {

struct SolvedTile {
  TileState state = TileState::absent;
  double nominal_y = 0, nominal_x = 0;
  Index height = 0, width = 0;
  double y = 0, x = 0;                                   ///< place of the first pixel on the canvas
  int links = 0;                                         ///< pairs that were believed
  double residual = 0;                                   ///< median over the patches of these, pixels
  double gain = 1;                                       ///< factor of its intensities
  std::array<double, nodes * nodes> bend_y{}, bend_x{};  ///< shift of the lattice over the tile, pixels
};

/// A pair of tiles by slot.
struct Link {
  Index first = 0, second = 0;
  PairOffset offset;
};

/// Weights of the four nodes round a place of a tile (y, x in pixels of its frame), and which they are.
struct NodeWeights {
  std::array<std::size_t, 4> node{};
  std::array<double, 4> weight{};
};
NodeWeights node_weights(double y, double x, Index height, Index width);

/// Fills y, x, links and residual of the usable tiles. Tiles that no link ties to others keep their nominal
/// distance to the middle of the section; pairs that contradict the rest count next to nothing.
void solve_places(std::vector<SolvedTile>& tiles, const std::vector<Link>& links);
/// Fills bend_y and bend_x: small shifts of lattice nodes that bring patches together, against `stiffness`.
void solve_bends(std::vector<SolvedTile>& tiles, const std::vector<Link>& links, double stiffness);
/// Fills gain, so that overlaps are equally bright; 1 on the average.
void solve_gains(std::vector<SolvedTile>& tiles, const std::vector<Link>& links);

}  // namespace petavox::tiles
