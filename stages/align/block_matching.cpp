#include "stages/align/block_matching.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace petavox::align {

template <class Sum>
BlockMatcher<Sum>::BlockMatcher(const MatchSettings& settings, const Box& nodes)
    : settings_{settings},
      nodes_{nodes},
      cell_rows_{nodes.shape().y + 2 * settings.rings},
      cell_columns_{nodes.shape().x + 2 * settings.rings},
      rows_{2 * settings.radius + 1},
      columns_{ceil_div(rows_, displacement_step) * displacement_step} {
  const auto size = static_cast<std::size_t>(rows_ * columns_);
  const Index active = 2 * settings.rings + 1;
  if (sizeof(Sum) > sizeof(std::int32_t)) map_.resize(size);
  scores_.resize(size);
  cell_.assign(num_quantities, Sums(size));
  patch_.assign(num_quantities, Sums(size));
  running_.assign(static_cast<std::size_t>(active * cell_columns_ * num_quantities), Sums(size));
  node_full_.resize(static_cast<std::size_t>(nodes.shape().y * nodes.shape().x));
  cell_masked_.resize(static_cast<std::size_t>(cell_rows_ * cell_columns_));
  column_masked_.resize(static_cast<std::size_t>(nodes.shape().y * cell_columns_));
  matches_.resize(node_full_.size());
}

template <class Sum>
std::size_t BlockMatcher<Sum>::bytes(const MatchSettings& settings, Index edge) {
  const Index active = 2 * settings.rings + 1, side = 2 * settings.radius + 1;
  const Index map = side * ceil_div(side, displacement_step) * displacement_step;
  const Index maps = (active * (edge + 2 * settings.rings) + 2) * num_quantities + 2;
  return static_cast<std::size_t>(maps * map) * sizeof(double);
}

template <class Sum>
Box BlockMatcher<Sum>::region() const {
  const Index s = settings_.spacing, reach = settings_.reach();
  return {{nodes_.begin.z, nodes_.begin.y * s - reach, nodes_.begin.x * s - reach},
          {nodes_.end.z, nodes_.end.y * s + reach, nodes_.end.x * s + reach}};
}

/// Where everything that a node sees is valid, most sums are constants or boxes. A cell is masked if a node
/// that it belongs to is not such.
template <class Sum>
void BlockMatcher<Sum>::find_full_nodes(const Tile& patches, const Tile& windows) {
  const Extent shape = nodes_.shape();
  const long s = settings_.spacing, r = settings_.radius, p = settings_.patch(), w = p + 2 * r;
  std::fill(cell_masked_.begin(), cell_masked_.end(), std::uint8_t{0});
  std::fill(column_masked_.begin(), column_masked_.end(), std::uint8_t{0});
  for (Index j = 0; j < shape.y; ++j)
    for (Index i = 0; i < shape.x; ++i) {
      const Sum in_patch = patches.valid_in(j * s + r, i * s + r, p),
                in_window = windows.valid_in(j * s, i * s, w);
      const bool full = in_patch == static_cast<Sum>(p * p) && in_window == static_cast<Sum>(w * w);
      node_full_[static_cast<std::size_t>(j * shape.x + i)] = full ? 1 : 0;
      if (full) continue;
      for (Index x = i; x <= i + 2 * settings_.rings; ++x)
        column_masked_[static_cast<std::size_t>(j * cell_columns_ + x)] = 1;
      for (Index y = j; y <= j + 2 * settings_.rings; ++y)
        for (Index x = i; x <= i + 2 * settings_.rings; ++x)
          cell_masked_[static_cast<std::size_t>(y * cell_columns_ + x)] = 1;
    }
}

template <class Sum>
auto BlockMatcher<Sum>::column_sums(Index node_row, Index column, int quantity) -> Sums& {
  const Index slot = node_row % (2 * settings_.rings + 1);
  return running_[static_cast<std::size_t>((slot * cell_columns_ + column) * num_quantities + quantity)];
}

/// Fills a quantity of cell_.
template <class Sum>
void BlockMatcher<Sum>::sum_products(const std::vector<Plane>& of_a, const std::vector<Plane>& of_b,
                                     Index row, Index column, long stride, Quantity quantity) {
  const long s = settings_.spacing, r = settings_.radius;
  const auto from_a = static_cast<std::size_t>((row * s + r) * stride + column * s + r);
  const auto from_b = static_cast<std::size_t>(row * s * stride + column * s);
  Sums& to = cell_[quantity];
  if constexpr (std::is_same_v<Sum, std::int32_t>) {
    // Images of 8 bits: one plane.
    correlate_cell(&of_a.front().values[from_a], &of_b.front().pairs[from_b], stride, s, rows_, columns_,
                   to.data());
  } else {
    std::fill(to.begin(), to.end(), Sum{0});
    for (const Plane& plane_a : of_a)
      for (const Plane& plane_b : of_b) {
        correlate_cell(&plane_a.values[from_a], &plane_b.pairs[from_b], stride, s, rows_, columns_,
                       map_.data());
        add_scaled(map_.data(), plane_a.weight * plane_b.weight, rows_ * columns_, to.data());
      }
  }
}

/// Fills cell_; false if nothing in the cell can be matched. Only `products` counts unless `masked`.
template <class Sum>
bool BlockMatcher<Sum>::add_cell(Tile& patches, Tile& windows, Index row, Index column, bool masked) {
  const long s = settings_.spacing, r = settings_.radius, stride = patches.stride();
  const long y = row * s, x = column * s, w = s + 2 * r;
  const Sum in_cell = patches.valid_in(y + r, x + r, s), in_window = windows.valid_in(y, x, w);
  if (in_cell <= 0 || in_window <= 0) return false;
  const auto set = [&](Quantity quantity, Sum value) {
    std::fill(cell_[quantity].begin(), cell_[quantity].end(), value);
  };
  sum_products(patches.values(), windows.values(), row, column, stride, products);
  if (!masked) return true;
  const bool whole_cell = in_cell == static_cast<Sum>(s * s),
             whole_window = in_window == static_cast<Sum>(w * w);
  if (whole_cell) {
    const Boxes boxes{stride, s, rows_, columns_};
    if (whole_window)
      set(count, in_cell);
    else
      boxes_of(windows.valid_integral(y, x), boxes, cell_[count].data());
    boxes_of(windows.value_integral(y, x), boxes, cell_[b].data());
    boxes_of(windows.square_integral(y, x), boxes, cell_[bb].data());
  } else {
    if (whole_window)
      set(count, in_cell);
    else
      sum_products(patches.valid(), windows.valid(), row, column, stride, count);
    sum_products(patches.valid(), windows.values(), row, column, stride, b);
    sum_products(patches.valid(), windows.squares(), row, column, stride, bb);
  }
  if (whole_window) {
    set(a, patches.box(patches.value_integral(y + r, x + r), s));
    set(aa, patches.box(patches.square_integral(y + r, x + r), s));
  } else {
    sum_products(patches.values(), windows.valid(), row, column, stride, a);
    sum_products(patches.squares(), windows.valid(), row, column, stride, aa);
  }
  return true;
}

template <class Sum>
Match BlockMatcher<Sum>::match_node(const Tile& patches, const Tile& windows, Index row, Index column) {
  const long s = settings_.spacing, r = settings_.radius, p = settings_.patch(), n = rows_ * columns_;
  const double area = static_cast<double>(p * p);
  const long y = row * s, x = column * s;
  const double valid = patches.valid_in(y + r, x + r, p);
  const double sum = patches.box(patches.value_integral(y + r, x + r), p);
  const double square = patches.box(patches.square_integral(y + r, x + r), p);
  const Least least{std::max(1.0, settings_.min_valid * area),
                    settings_.min_contrast * settings_.min_contrast};
  if (valid < settings_.min_valid * area || square - sum * sum / valid < least.variance * valid) return {};
  const bool full = node_full_[static_cast<std::size_t>(row * nodes_.shape().x + column)] != 0;
  for (int q = 0; q < (full ? 1 : num_quantities); ++q) {
    Sums& total = patch_[static_cast<std::size_t>(q)];
    std::copy(column_sums(row, column, q).begin(), column_sums(row, column, q).end(), total.begin());
    for (Index c = column + 1; c <= column + 2 * settings_.rings; ++c)
      add_sums(column_sums(row, c, q).data(), n, total.data());
  }
  const auto sums_of = [&](Quantity quantity) { return std::as_const(patch_[quantity]).data(); };
  if (full)
    scores_of(WholeSums<Sum>{sums_of(products), sum, square, windows.value_integral(y, x),
                             windows.square_integral(y, x)},
              {windows.stride(), p, rows_, columns_}, least, scores_.data());
  else
    scores_of(
        OverlapSums<Sum>{sums_of(products), sums_of(count), sums_of(a), sums_of(b), sums_of(aa), sums_of(bb)},
        least, n, scores_.data());
  Match match = best_match(scores_.data(), settings_.radius, columns_);
  const auto nearest = [&](double d) { return static_cast<long>(std::floor(d + 0.5)) + r; };
  match.share = full ? 1 : sums_of(count)[nearest(match.dy) * columns_ + nearest(match.dx)] / area;
  return match;
}

template <class Sum>
const std::vector<Match>& BlockMatcher<Sum>::match(Tile& patches, Tile& windows) {
  find_full_nodes(patches, windows);
  const Index rings = settings_.rings, node_rows = nodes_.shape().y, node_columns = nodes_.shape().x;
  // Quantities besides the products cost as much as these: only those that a node asks for are kept.
  const auto kept = [&](Index node_row, Index column) {
    return column_masked_[static_cast<std::size_t>(node_row * cell_columns_ + column)] != 0 ? num_quantities
                                                                                            : 1;
  };
  for (Index row = 0; row < cell_rows_; ++row) {
    const Index first = std::max<Index>(0, row - 2 * rings), last = std::min(row, node_rows - 1);
    if (row < node_rows)
      for (Index column = 0; column < cell_columns_; ++column)
        for (int q = 0; q < kept(row, column); ++q) {
          Sums& sums = column_sums(row, column, q);
          std::fill(sums.begin(), sums.end(), Sum{0});
        }
    for (Index column = 0; column < cell_columns_; ++column) {
      const bool masked = cell_masked_[static_cast<std::size_t>(row * cell_columns_ + column)] != 0;
      if (!add_cell(patches, windows, row, column, masked)) continue;
      for (Index node_row = first; node_row <= last; ++node_row)
        for (int q = 0; q < kept(node_row, column); ++q)
          add_sums(cell_[static_cast<std::size_t>(q)].data(), rows_ * columns_,
                   column_sums(node_row, column, q).data());
    }
    if (row < 2 * rings) continue;
    for (Index column = 0; column < node_columns; ++column)
      matches_[static_cast<std::size_t>((row - 2 * rings) * node_columns + column)] =
          match_node(patches, windows, row - 2 * rings, column);
  }
  return matches_;
}

template class BlockMatcher<std::int32_t>;
template class BlockMatcher<double>;

}  // namespace petavox::align
