#include "stages/align/unfold.hpp"

#include "stages/align/field.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace petavox::align {
namespace {

/// Bernstein coefficients of a polynomial of degree (rows - 1, columns - 1) on the unit square.
template <std::size_t rows, std::size_t columns>
using Net = std::array<std::array<double, columns>, rows>;

/// Those of cubic convolution between the second and the third of four values.
std::array<double, 4> row_net(const std::array<double, 4>& v) {
  return {v[1], v[1] + (v[2] - v[0]) / 6, v[2] - (v[3] - v[1]) / 6, v[2]};
}

Net<4, 4> net_of(const Net<4, 4>& nodes) {
  Net<4, 4> along_x{}, net{};
  for (std::size_t b = 0; b < 4; ++b) along_x[b] = row_net(nodes[b]);
  for (std::size_t a = 0; a < 4; ++a) {
    const auto column = row_net({along_x[0][a], along_x[1][a], along_x[2][a], along_x[3][a]});
    for (std::size_t b = 0; b < 4; ++b) net[b][a] = column[b];
  }
  return net;
}

constexpr std::array<std::array<double, 6>, 6> binomial{
    {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}, {1, 5, 10, 10, 5, 1}}};

/// Adds `scale` times the product of two polynomials, of degrees (2, 3) and (3, 2), to one of degree (5, 5).
template <std::size_t rows, std::size_t columns>
void add_product(const Net<rows, columns>& p, const Net<columns, rows>& q, double scale, Net<6, 6>& to) {
  constexpr std::size_t my = rows - 1, mx = columns - 1, ny = columns - 1, nx = rows - 1;
  for (std::size_t b = 0; b <= my; ++b)
    for (std::size_t a = 0; a <= mx; ++a)
      for (std::size_t d = 0; d <= ny; ++d)
        for (std::size_t c = 0; c <= nx; ++c)
          to[b + d][a + c] += scale * p[b][a] * q[d][c] *
                              (binomial[my][b] * binomial[ny][d] / binomial[5][b + d]) *
                              (binomial[mx][a] * binomial[nx][c] / binomial[5][a + c]);
}

/// Replaces the free nodes by the harmonic continuation of the others: each is the mean of its neighbours. By
/// conjugate gradients. Without others, all become their mean.
void continue_harmonically(const std::vector<std::uint8_t>& free, Index height, Index width,
                           std::vector<double>& v) {
  const auto n = static_cast<std::size_t>(height * width);
  if (std::ranges::count(free, std::uint8_t{1}) == static_cast<std::ptrdiff_t>(n)) {
    double mean = 0;
    for (const double d : v) mean += d / static_cast<double>(n);
    std::ranges::fill(v, mean);
    return;
  }
  // The Laplacian at free nodes, 0 elsewhere; with `fixed`, the others pull too.
  const auto laplacian = [&](const std::vector<double>& of, std::vector<double>& out, bool fixed) {
    for (Index j = 0; j < height; ++j)
      for (Index i = 0; i < width; ++i) {
        const auto here = static_cast<std::size_t>(j * width + i);
        out[here] = 0;
        if (free[here] == 0) continue;
        const auto add = [&](Index q, Index p) {
          if (q < 0 || q >= height || p < 0 || p >= width) return;
          const auto there = static_cast<std::size_t>(q * width + p);
          out[here] += of[here] - (fixed || free[there] != 0 ? of[there] : 0.0);
        };
        add(j - 1, i);
        add(j + 1, i);
        add(j, i - 1);
        add(j, i + 1);
      }
  };
  std::vector<double> r(n), p, q(n);
  laplacian(v, r, true);
  double rr = 0;
  for (double& e : r) {
    e = -e;
    rr += e * e;
  }
  p = r;
  constexpr double enough = 1e-4;  // pixels, squared and summed
  for (std::size_t it = 0; it < 4 * n && rr > enough; ++it) {
    laplacian(p, q, false);
    double pq = 0;
    for (std::size_t i = 0; i < n; ++i) pq += p[i] * q[i];
    const double alpha = rr / pq;
    double next = 0;
    for (std::size_t i = 0; i < n; ++i) {
      v[i] += alpha * p[i];
      r[i] -= alpha * q[i];
      next += r[i] * r[i];
    }
    const double beta = next / rr;
    rr = next;
    for (std::size_t i = 0; i < n; ++i) p[i] = r[i] + beta * p[i];
  }
}

/// Marks the nodes within `rings` of marked ones too.
void widen(std::vector<std::uint8_t>& marked, Index height, Index width, Index rings) {
  const std::vector<std::uint8_t> before = marked;
  for (Index j = 0; j < height; ++j)
    for (Index i = 0; i < width; ++i) {
      if (before[static_cast<std::size_t>(j * width + i)] == 0) continue;
      for (Index y = std::max<Index>(0, j - rings); y <= std::min(height - 1, j + rings); ++y)
        for (Index x = std::max<Index>(0, i - rings); x <= std::min(width - 1, i + rings); ++x)
          marked[static_cast<std::size_t>(y * width + x)] = 1;
    }
}

/// Marks the nodes of the cells that do not keep their orientation; how many cells are such.
Index mark_folds(View<const std::int32_t> field, Index z, Index spacing, std::vector<std::uint8_t>& marked) {
  const Box& box = field.domain();
  const Index height = box.shape().y, width = box.shape().x;
  Index folds = 0;
  for (Index j = -1; j < height; ++j)
    for (Index i = -1; i < width; ++i) {
      if (keeps_orientation(field, z, spacing, box.begin.y + j, box.begin.x + i, least_area_kept)) continue;
      ++folds;
      for (Index y = std::max<Index>(0, j); y <= std::min(height - 1, j + 1); ++y)
        for (Index x = std::max<Index>(0, i); x <= std::min(width - 1, i + 1); ++x)
          marked[static_cast<std::size_t>(y * width + x)] = 1;
    }
  return folds;
}

}  // namespace

bool keeps_orientation(View<const std::int32_t> field, Index z, Index spacing, Index j, Index i,
                       double least_area) {
  const FieldSection section{field, z, spacing};
  Net<4, 4> nodes_y{}, nodes_x{};
  double most = 0;
  for (Index b = 0; b < 4; ++b)
    for (Index a = 0; a < 4; ++a) {
      const Vec2 d = (1 / field_units_per_px) * section.node(j - 1 + b, i - 1 + a);
      const auto row = static_cast<std::size_t>(b), column = static_cast<std::size_t>(a);
      nodes_y[row][column] = d.y;
      nodes_x[row][column] = d.x;
      if (a > 0)
        most = std::max(
            {most, std::abs(d.y - nodes_y[row][column - 1]), std::abs(d.x - nodes_x[row][column - 1])});
      if (b > 0)
        most = std::max(
            {most, std::abs(d.y - nodes_y[row - 1][column]), std::abs(d.x - nodes_x[row - 1][column])});
    }
  const auto s = static_cast<double>(spacing);
  // Cubic convolution has no slope above 15/8 of the steepest between neighbours; with slopes of at most g
  // the determinant is at least (1 - g)^2 - g^2.
  if (1 - 2 * (15.0 / 8) * most / s >= least_area) return true;
  const Net<4, 4> net_y = net_of(nodes_y), net_x = net_of(nodes_x);
  // The derivatives of x + D(x), along y and x.
  const auto along_y = [&](const Net<4, 4>& net, double own) {
    Net<3, 4> out{};
    for (std::size_t b = 0; b < 3; ++b)
      for (std::size_t a = 0; a < 4; ++a) out[b][a] = own + 3 * (net[b + 1][a] - net[b][a]) / s;
    return out;
  };
  const auto along_x = [&](const Net<4, 4>& net, double own) {
    Net<4, 3> out{};
    for (std::size_t b = 0; b < 4; ++b)
      for (std::size_t a = 0; a < 3; ++a) out[b][a] = own + 3 * (net[b][a + 1] - net[b][a]) / s;
    return out;
  };
  Net<6, 6> determinant{};
  add_product(along_y(net_y, 1), along_x(net_x, 1), 1, determinant);
  add_product(along_x(net_y, 0), along_y(net_x, 0), -1, determinant);
  for (const auto& row : determinant)
    for (const double c : row)
      if (c < least_area) return false;
  return true;
}

Index unfold(Array& array, Index spacing) {
  const auto field = array.view<std::int32_t>();
  const auto read = std::as_const(array).view<std::int32_t>();
  const Box& box = array.box();
  const Index height = box.shape().y, width = box.shape().x;
  Index replaced = 0;
  std::vector<std::uint8_t> free;
  std::vector<double> given[2], found;
  for (Index z = box.begin.z; z < box.end.z; ++z) {
    free.assign(static_cast<std::size_t>(height * width), 0);
    const Box section{{z, box.begin.y, box.begin.x}, {z + 1, box.end.y, box.end.x}};
    // A cell that folds is not known, nor are those beside it.
    for (Index rings = 1; mark_folds(read, z, spacing, free) > 0; rings *= 2) {
      widen(free, height, width, rings);
      for (int c = 0; c < 2; ++c) {
        auto& values = given[c];
        if (rings == 1) {
          values.clear();
          section.for_each([&](Coord p) { values.push_back(field.at(c, p) / field_units_per_px); });
        }
        found = values;
        continue_harmonically(free, height, width, found);
        std::size_t k = 0;
        section.for_each([&](Coord p) {
          if (free[k] != 0) field.at(c, p) = to_units(found[k]);
          ++k;
        });
      }
    }
    replaced += std::ranges::count(free, std::uint8_t{1});
  }
  return replaced;
}

}  // namespace petavox::align
