#pragma once
// Where the patches round the nodes of a tile lie in another section: masked normalised cross-correlation
// (Padfield 2012, IEEE TIP 21:2706) at every displacement up to a radius, exact.
//
// Patches overlap. So products are summed over cells of one spacing, each once for all patches that it
// belongs to: for a displacement, a pixel costs one multiplication, whatever the patch. The sums are integers
// and thus the same in any order; Fourier transforms of the patches would cost several times more at these
// radii (docs/performance.md).

#include "stages/align/cell_kernels.hpp"
#include "stages/align/match.hpp"
#include "stages/align/section_tile.hpp"

namespace petavox::align {

struct MatchSettings {
  int spacing = 32;           ///< pixels between nodes, and along a side of a cell; at most 256
  int rings = 1;              ///< cells of the patch on each side of the node's own
  int radius = 16;            ///< largest displacement looked for, per axis, pixels
  double min_valid = 0.3;     ///< least share of the patch that must be valid in both
  double min_contrast = 1.0;  ///< least standard deviation of the patch, grey levels
  int patch() const { return (2 * rings + 1) * spacing; }
  /// Pixels that a node reads beyond its own cell.
  int reach() const { return rings * spacing + radius; }
};

/// Whether int32 holds every sum over patches of images of this type.
inline bool sums_fit(const MatchSettings& settings, DType type) {
  return type == DType::u8 && long{settings.patch()} * settings.patch() < most_narrow_pixels;
}

/// `Sum` as in cell_kernels.hpp; for int32 sums_fit() must say so.
template <class Sum>
class BlockMatcher {
 public:
  /// For nodes of the box (y and x count); node n's cell is [spacing n, spacing (n + 1)).
  BlockMatcher(const MatchSettings& settings, const Box& nodes);
  /// What a matcher of edge x edge nodes holds.
  static std::size_t bytes(const MatchSettings& settings, Index edge);
  /// The pixels that tiles must be of (y and x count).
  Box region() const;
  /// The matches of all nodes, in raster order, of `patches` in `windows`.
  const std::vector<Match>& match(SectionTile<Sum>& patches, SectionTile<Sum>& windows);

 private:
  enum Quantity { products, count, a, b, aa, bb, num_quantities };
  using Sums = std::vector<Sum>;  ///< of one quantity, by displacement
  using Tile = SectionTile<Sum>;

  void find_full_nodes(const Tile& patches, const Tile& windows);
  bool add_cell(Tile& patches, Tile& windows, Index row, Index column, bool masked);
  void sum_products(const std::vector<Plane>& of_a, const std::vector<Plane>& of_b, Index row, Index column,
                    long stride, Quantity quantity);
  Sums& column_sums(Index node_row, Index column, int quantity);
  Match match_node(const Tile& patches, const Tile& windows, Index row, Index column);

  MatchSettings settings_;
  Box nodes_;
  Index cell_rows_, cell_columns_;
  long rows_, columns_;  ///< of maps over displacements
  std::vector<std::int32_t> map_;
  std::vector<Sums> cell_;     ///< of one cell, by quantity
  std::vector<Sums> running_;  ///< of a column of cells, for the rows of nodes that it is in
  std::vector<Sums> patch_;    ///< of one node
  std::vector<double> scores_;
  std::vector<std::uint8_t> node_full_, cell_masked_;
  std::vector<std::uint8_t>
      column_masked_;  ///< by row of nodes and column of cells: of a node that is not full
  std::vector<Match> matches_;
};

}  // namespace petavox::align
