#include "stages/align/block_matching.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {

BlockMatcher::BlockMatcher(const MatchSettings& settings, const Box& nodes)
    : settings_{settings},
      nodes_{nodes},
      cell_rows_{nodes.shape().y + 2 * settings.rings},
      cell_columns_{nodes.shape().x + 2 * settings.rings},
      rows_{2 * settings.radius + 1},
      columns_{ceil_div(rows_, displacement_step) * displacement_step} {
  const auto size = static_cast<std::size_t>(rows_ * columns_);
  const Index active = 2 * settings.rings + 1;
  map_.resize(size);
  scores_.resize(size);
  cell_.assign(num_quantities, Sums(size));
  patch_.assign(num_quantities, Sums(size));
  running_.assign(static_cast<std::size_t>(active * cell_columns_ * num_quantities), Sums(size));
  node_full_.resize(static_cast<std::size_t>(nodes.shape().y * nodes.shape().x));
  cell_masked_.resize(static_cast<std::size_t>(cell_rows_ * cell_columns_));
  matches_.resize(node_full_.size());
}

std::size_t BlockMatcher::bytes(const MatchSettings& settings, Index edge) {
  const Index active = 2 * settings.rings + 1, side = 2 * settings.radius + 1;
  const Index map = side * ceil_div(side, displacement_step) * displacement_step;
  const Index maps = (active * (edge + 2 * settings.rings) + 2) * num_quantities + 2;
  return static_cast<std::size_t>(maps * map) * sizeof(double);
}

Box BlockMatcher::region() const {
  const Index s = settings_.spacing, reach = settings_.reach();
  return {{nodes_.begin.z, nodes_.begin.y * s - reach, nodes_.begin.x * s - reach},
          {nodes_.end.z, nodes_.end.y * s + reach, nodes_.end.x * s + reach}};
}

/// Where everything that a node sees is valid, most sums are constants or boxes. A cell is masked if a node
/// that it belongs to is not such.
void BlockMatcher::find_full_nodes(const SectionTile& patches, const SectionTile& windows) {
  const Extent shape = nodes_.shape();
  const long s = settings_.spacing, r = settings_.radius, p = settings_.patch(), w = p + 2 * r;
  std::fill(cell_masked_.begin(), cell_masked_.end(), std::uint8_t{0});
  for (Index j = 0; j < shape.y; ++j)
    for (Index i = 0; i < shape.x; ++i) {
      const double in_patch = patches.valid_in(j * s + r, i * s + r, p);
      const double in_window = windows.valid_in(j * s, i * s, w);
      const bool full = in_patch == static_cast<double>(p * p) && in_window == static_cast<double>(w * w);
      node_full_[static_cast<std::size_t>(j * shape.x + i)] = full ? 1 : 0;
      if (full) continue;
      for (Index y = j; y <= j + 2 * settings_.rings; ++y)
        for (Index x = i; x <= i + 2 * settings_.rings; ++x)
          cell_masked_[static_cast<std::size_t>(y * cell_columns_ + x)] = 1;
    }
}

BlockMatcher::Sums& BlockMatcher::column_sums(Index node_row, Index column, int quantity) {
  const Index slot = node_row % (2 * settings_.rings + 1);
  return running_[static_cast<std::size_t>((slot * cell_columns_ + column) * num_quantities + quantity)];
}

void BlockMatcher::add_products(const std::vector<Plane>& of_a, const std::vector<Plane>& of_b, Index row,
                                Index column, long stride, Sums& to) {
  const long s = settings_.spacing, r = settings_.radius;
  const auto from_a = static_cast<std::size_t>((row * s + r) * stride + column * s + r);
  const auto from_b = static_cast<std::size_t>(row * s * stride + column * s);
  for (const Plane& plane_a : of_a)
    for (const Plane& plane_b : of_b) {
      correlate_cell(&plane_a.values[from_a], &plane_b.pairs[from_b], stride, s, rows_, columns_,
                     map_.data());
      add_scaled(map_.data(), plane_a.weight * plane_b.weight, rows_ * columns_, to.data());
    }
}

/// Fills cell_; false if nothing in the cell can be matched. Only `products` counts unless `masked`.
bool BlockMatcher::add_cell(SectionTile& patches, SectionTile& windows, Index row, Index column,
                            bool masked) {
  const long s = settings_.spacing, r = settings_.radius, stride = patches.stride(), n = rows_ * columns_;
  const long y = row * s, x = column * s, w = s + 2 * r;
  const double in_cell = patches.valid_in(y + r, x + r, s);
  const double in_window = windows.valid_in(y, x, w);
  if (in_cell <= 0 || in_window <= 0) return false;
  const auto cleared = [&](int quantity) -> Sums& {
    Sums& sums = cell_[static_cast<std::size_t>(quantity)];
    std::fill(sums.begin(), sums.end(), 0.0);
    return sums;
  };
  add_products(patches.values(), windows.values(), row, column, stride, cleared(products));
  if (!masked) return true;
  if (in_cell == static_cast<double>(s * s)) {
    if (windows.full())
      add_constant(in_cell, n, cleared(count).data());
    else
      add_boxes(windows.valid_integral(y, x), stride, s, rows_, columns_, cleared(count).data());
    add_boxes(windows.value_integral(y, x), stride, s, rows_, columns_, cleared(b).data());
    add_boxes(windows.square_integral(y, x), stride, s, rows_, columns_, cleared(bb).data());
  } else {
    add_products(patches.valid(), windows.valid(), row, column, stride, cleared(count));
    add_products(patches.valid(), windows.values(), row, column, stride, cleared(b));
    add_products(patches.valid(), windows.squares(), row, column, stride, cleared(bb));
  }
  if (in_window == static_cast<double>(w * w)) {
    add_constant(patches.box(patches.value_integral(y + r, x + r), s), n, cleared(a).data());
    add_constant(patches.box(patches.square_integral(y + r, x + r), s), n, cleared(aa).data());
  } else {
    add_products(patches.values(), windows.valid(), row, column, stride, cleared(a));
    add_products(patches.squares(), windows.valid(), row, column, stride, cleared(aa));
  }
  return true;
}

Match BlockMatcher::match_node(const SectionTile& patches, const SectionTile& windows, Index row,
                               Index column) {
  const long s = settings_.spacing, r = settings_.radius, p = settings_.patch(), n = rows_ * columns_;
  const double area = static_cast<double>(p * p);
  const long y = row * s, x = column * s;
  const double valid = patches.valid_in(y + r, x + r, p);
  const double sum = patches.box(patches.value_integral(y + r, x + r), p);
  const double square = patches.box(patches.square_integral(y + r, x + r), p);
  const double least = settings_.min_contrast * settings_.min_contrast;
  if (valid < settings_.min_valid * area || square - sum * sum / valid < least * valid) return {};
  const bool full = node_full_[static_cast<std::size_t>(row * nodes_.shape().x + column)] != 0;
  for (int q = 0; q < (full ? 1 : num_quantities); ++q) {
    Sums& total = patch_[static_cast<std::size_t>(q)];
    std::fill(total.begin(), total.end(), 0.0);
    for (Index c = column; c <= column + 2 * settings_.rings; ++c)
      add_sums(column_sums(row, c, q).data(), n, total.data());
  }
  const auto sums_of = [&](int quantity) -> Sums& { return patch_[static_cast<std::size_t>(quantity)]; };
  if (full) {
    std::fill(sums_of(count).begin(), sums_of(count).end(), area);
    std::fill(sums_of(a).begin(), sums_of(a).end(), sum);
    std::fill(sums_of(aa).begin(), sums_of(aa).end(), square);
    std::fill(sums_of(b).begin(), sums_of(b).end(), 0.0);
    std::fill(sums_of(bb).begin(), sums_of(bb).end(), 0.0);
    add_boxes(windows.value_integral(y, x), windows.stride(), p, rows_, columns_, sums_of(b).data());
    add_boxes(windows.square_integral(y, x), windows.stride(), p, rows_, columns_, sums_of(bb).data());
  }
  scores_of({sums_of(products).data(), sums_of(count).data(), sums_of(a).data(), sums_of(b).data(),
             sums_of(aa).data(), sums_of(bb).data()},
            std::max(1.0, settings_.min_valid * area), least, n, scores_.data());
  Match match = best_match(scores_.data(), settings_.radius, columns_);
  const auto nearest = [&](double d) { return static_cast<long>(std::floor(d + 0.5)) + r; };
  match.share =
      sums_of(count)[static_cast<std::size_t>(nearest(match.dy) * columns_ + nearest(match.dx))] / area;
  return match;
}

const std::vector<Match>& BlockMatcher::match(SectionTile& patches, SectionTile& windows) {
  find_full_nodes(patches, windows);
  const Index rings = settings_.rings, node_rows = nodes_.shape().y, node_columns = nodes_.shape().x;
  for (Index row = 0; row < cell_rows_; ++row) {
    const Index first = std::max<Index>(0, row - 2 * rings), last = std::min(row, node_rows - 1);
    if (row < node_rows)
      for (Index column = 0; column < cell_columns_; ++column)
        for (int q = 0; q < num_quantities; ++q) {
          Sums& sums = column_sums(row, column, q);
          std::fill(sums.begin(), sums.end(), 0.0);
        }
    for (Index column = 0; column < cell_columns_; ++column) {
      const bool masked = cell_masked_[static_cast<std::size_t>(row * cell_columns_ + column)] != 0;
      if (!add_cell(patches, windows, row, column, masked)) continue;
      for (Index node_row = first; node_row <= last; ++node_row)
        for (int q = 0; q < (masked ? num_quantities : 1); ++q)
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

}  // namespace petavox::align
