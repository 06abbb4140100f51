#include "stages/align/solve.hpp"

#include "stages/align/solve_flow.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace petavox::align {
namespace {

double limited(double v, double most) { return std::clamp(v, -most, most); }

/// Displacements of a box of nodes, y and x apart, section by section.
struct Corrections {
  Box box;
  std::vector<double> y, x;
  explicit Corrections(const Box& b)
      : box{b}, y(static_cast<std::size_t>(b.voxels()), 0.0), x(static_cast<std::size_t>(b.voxels()), 0.0) {}
  /// What earlier passes found, at nodes `spacing` pixels apart.
  Corrections(const Box& b, const Before& before, Index spacing) : Corrections{b} {
    std::size_t i = 0;
    if (before.field != nullptr)
      box.for_each([&](Coord p) {
        const Vec2 u = before.at(p.z, {node_centre(p.y, spacing), node_centre(p.x, spacing)});
        y[i] = u.y;
        x[i++] = u.x;
      });
  }
  std::size_t index(Coord p) const { return static_cast<std::size_t>(box.raster(p)); }
};

/// The weight of a residual: 1 up to the threshold, beyond it falling with the square. The pull of a wrong
/// match fades with its distance, where Huber's weight would let it pull on for ever.
double robust_weight(Vec2 residual, double threshold) {
  const double square = residual.y * residual.y + residual.x * residual.x;
  return square <= threshold * threshold ? 1.0 : threshold * threshold / square;
}

/// The threshold of a step of both tiers: all residuals count in the first; from then on it falls by half
/// with each, to `robust_px` in the last two. Held at that from the start, what other matches have moved
/// apart meanwhile loses the very matches that would bring it together again.
double threshold_of(const SolveSettings& s, int step) {
  constexpr int most_halvings = 5;
  if (step == 0) return std::numeric_limits<double>::infinity();
  const int fallen_by = std::min(most_halvings + 1, s.lookups + s.sweeps - 2);
  return std::ldexp(s.robust_px, std::max(0, fallen_by - step));
}

/// Adds the matches of one node of section z to the system of its column and to the right sides. `v` are the
/// corrections so far, `column` and `stride` say where its column lies in the systems' vectors.
void add_links(const FlowLattice& flow, const SolveSettings& s, const Corrections& v, double spacing, Coord p,
               double threshold, Lines& lines, Index column, Index columns, std::vector<double>& by,
               std::vector<double>& bx) {
  const Index z0 = flow.domain().begin.z, z = p.z - z0;
  const std::size_t here = v.index(p);
  const Vec2 own{v.y[here], v.x[here]};
  for (std::size_t k = 0; k < s.links.size(); ++k) {
    const int d = s.links[k];
    if (z < d) continue;
    const Weighted f = flow.at(k, p.z, static_cast<double>(p.y) + own.y / spacing,
                               static_cast<double>(p.x) + own.x / spacing);
    if (f.weight <= 0) continue;
    const std::size_t there = v.index({p.z - d, p.y, p.x});
    const double w = f.weight * robust_weight(Vec2{v.y[there], v.x[there]} - own - f.flow, threshold);
    lines.couple(z, d, column, w);
    const auto at = static_cast<std::size_t>(z * columns + column);
    const auto back = static_cast<std::size_t>((z - d) * columns + column);
    by[at] -= w * f.flow.y;
    bx[at] -= w * f.flow.x;
    by[back] += w * f.flow.y;
    bx[back] += w * f.flow.x;
  }
  if (z > 0) lines.couple(z, 1, column, s.continuity);
}

/// Calls f(neighbour) for the up to four neighbours in the section that the lattice has.
template <class F>
void for_each_neighbour(Coord p, const Box& domain, F&& f) {
  for (const Coord q : {Coord{p.z, p.y - 1, p.x}, Coord{p.z, p.y + 1, p.x}, Coord{p.z, p.y, p.x - 1},
                        Coord{p.z, p.y, p.x + 1}})
    if (domain.contains(q)) f(q);
}

/// out += stiffness x the Laplacian of v in each section.
void add_stiffness(const Box& box, double stiffness, const std::vector<double>& v, std::vector<double>& out) {
  std::size_t i = 0;
  box.for_each([&](Coord p) {
    double sum = 0;
    for_each_neighbour(p, box, [&](Coord q) { sum += v[i] - v[static_cast<std::size_t>(box.raster(q))]; });
    out[i] += stiffness * sum;
    ++i;
  });
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Solves (lines + stiffness) v = b by conjugate gradients from the v given. `factored` are the lines with
/// the diagonal of the stiffness, factored.
void conjugate_gradients(const Box& box, const SolveSettings& s, const Lines& lines, const Lines& factored,
                         const std::vector<double>& b, std::vector<double>& v) {
  std::vector<double> r, z, p, q;
  const auto apply = [&](const std::vector<double>& from, std::vector<double>& to) {
    lines.multiply(from, to);
    add_stiffness(box, s.stiffness, from, to);
  };
  apply(v, r);
  for (std::size_t i = 0; i < b.size(); ++i) r[i] = b[i] - r[i];
  const double enough = s.tolerance * s.tolerance * dot(b, b);
  z = r;
  factored.solve(z);
  p = z;
  double rz = dot(r, z);
  for (int it = 0; it < s.max_iterations && rz > 0 && dot(r, r) > enough; ++it) {
    apply(p, q);
    const double alpha = rz / dot(p, q);
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] += alpha * p[i];
      r[i] -= alpha * q[i];
    }
    z = r;
    factored.solve(z);
    const double next = dot(r, z), beta = next / rz;
    rz = next;
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = z[i] + beta * p[i];
  }
}

/// The right side of the anchor and the stiffness: they act on earlier displacements too.
void add_before(const Box& box, double stiffness, double anchor, const std::vector<double>& u,
                std::vector<double>& b) {
  std::vector<double> pull(u.size(), 0.0);
  add_stiffness(box, stiffness, u, pull);
  for (std::size_t i = 0; i < u.size(); ++i) b[i] -= pull[i] + anchor * u[i];
}

int band_of(const SolveSettings& s) { return s.links.back(); }

}  // namespace

Vec2 Before::at(Index z, Vec2 px) const {
  if (field == nullptr) return {};
  const auto f = static_cast<double>(level);
  const double middle = 0.5 * (f - 1);
  const FieldSection section{field->view<std::int32_t>(), z, spacing};
  return (1 / f) * section.at({f * px.y + middle, f * px.x + middle});
}

Index flow_reach(const SolveSettings& s) {
  return s.sweeps + static_cast<Index>(std::ceil(s.max_shift_px / s.spacing)) + 1;
}

void solve_coarse(const Array& clean, const SolveSettings& s, const Before& before, Array& out) {
  const FlowLattice flow{clean, s.links.size(), s.coarsening};
  const Box box = flow.box();
  PETAVOX_ASSERT(box == flow.domain() && box == out.box());
  const Index sections = box.shape().z, columns = box.shape().y * box.shape().x;
  const double spacing = static_cast<double>(s.spacing) * static_cast<double>(s.coarsening);
  // The energy of a strain is that of the fine lattice, shared by its nodes.
  SolveSettings coarse = s;
  coarse.stiffness = s.stiffness / static_cast<double>(s.coarsening * s.coarsening);
  const Corrections u{box, before, s.spacing * s.coarsening};
  Corrections v{box};
  Lines lines{sections, columns, band_of(s)};
  for (int lookup = 0; lookup < s.lookups; ++lookup) {
    std::vector<double> by(v.y.size(), 0.0), bx(v.x.size(), 0.0);
    lines.clear();
    Index column = 0;
    box.for_each([&](Coord p) {
      add_links(flow, s, v, spacing, p, threshold_of(s, lookup), lines, column % columns, columns, by, bx);
      lines.add_diagonal(p.z - box.begin.z, column % columns, s.anchor);
      ++column;
    });
    add_before(box, coarse.stiffness, s.anchor, u.y, by);
    add_before(box, coarse.stiffness, s.anchor, u.x, bx);
    Lines factored = lines;
    std::size_t i = 0;
    box.for_each([&](Coord p) {
      int neighbours = 0;
      for_each_neighbour(p, box, [&](Coord) { ++neighbours; });
      factored.add_diagonal(p.z - box.begin.z, static_cast<Index>(i) % columns,
                            coarse.stiffness * neighbours);
      ++i;
    });
    factored.factor();
    conjugate_gradients(box, coarse, lines, factored, by, v.y);
    conjugate_gradients(box, coarse, lines, factored, bx, v.x);
    for (double& d : v.y) d = limited(d, s.max_shift_px);
    for (double& d : v.x) d = limited(d, s.max_shift_px);
  }
  const auto target = out.view<std::int32_t>();
  box.for_each([&](Coord p) {
    target.at(0, p) = to_units(v.y[v.index(p)]);
    target.at(1, p) = to_units(v.x[v.index(p)]);
  });
}

void solve_fine(const Array& clean, const Array& coarse, const SolveSettings& s, const Before& before,
                Array& out, Array& residuals) {
  const FlowLattice flow{clean, s.links.size()};
  const Box domain = flow.domain(), core = out.box();
  const Box start = core.grow(Halo::symmetric({0, s.sweeps, s.sweeps})).intersect(domain);
  const Corrections u{start, before, s.spacing};
  Corrections v{start};
  for (Index z = start.begin.z; z < start.end.z; ++z) {
    const FieldSection section{coarse.view<std::int32_t>(), z, s.coarsening};
    for (Index y = start.begin.y; y < start.end.y; ++y)
      for (Index x = start.begin.x; x < start.end.x; ++x) {
        const Vec2 d = section.at({static_cast<double>(y), static_cast<double>(x)});
        v.y[v.index({z, y, x})] = limited(d.y, s.max_shift_px);
        v.x[v.index({z, y, x})] = limited(d.x, s.max_shift_px);
      }
  }
  // Each sweep solves every column exactly, its neighbours as they were; the outermost nodes lack neighbours
  // and are not used again.
  constexpr double damping = 0.8;
  for (int sweep = 1; sweep <= s.sweeps; ++sweep) {
    const Index margin = s.sweeps - sweep;
    const Box box = core.grow(Halo::symmetric({0, margin, margin})).intersect(domain);
    const Index columns = box.shape().y * box.shape().x;
    Lines lines{box.shape().z, columns, band_of(s)};
    std::vector<double> by(static_cast<std::size_t>(box.voxels()), 0.0), bx = by;
    std::size_t i = 0;
    box.for_each([&](Coord p) {
      const Index column = static_cast<Index>(i) % columns;
      add_links(flow, s, v, s.spacing, p, threshold_of(s, s.lookups + sweep - 1), lines, column, columns, by,
                bx);
      const std::size_t here = v.index(p);
      lines.add_diagonal(p.z - box.begin.z, column, s.anchor);
      by[i] -= s.anchor * u.y[here];
      bx[i] -= s.anchor * u.x[here];
      for_each_neighbour(p, domain, [&](Coord q) {
        const std::size_t there = v.index(q);
        lines.add_diagonal(p.z - box.begin.z, column, s.stiffness);
        by[i] += s.stiffness * (v.y[there] + u.y[there] - u.y[here]);
        bx[i] += s.stiffness * (v.x[there] + u.x[there] - u.x[here]);
      });
      ++i;
    });
    lines.factor();
    lines.solve(by);
    lines.solve(bx);
    i = 0;
    box.for_each([&](Coord p) {
      const std::size_t at = v.index(p);
      v.y[at] = limited(v.y[at] + damping * (by[i] - v.y[at]), s.max_shift_px);
      v.x[at] = limited(v.x[at] + damping * (bx[i] - v.x[at]), s.max_shift_px);
      ++i;
    });
  }
  const auto target = out.view<std::int32_t>();
  const auto left = residuals.view<std::int16_t>();
  core.for_each([&](Coord p) {
    const std::size_t here = v.index(p);
    target.at(0, p) = to_units(v.y[here]);
    target.at(1, p) = to_units(v.x[here]);
    left[p] = -1;
    if (p.z == domain.begin.z) return;
    const Weighted f = flow.at(0, p.z, static_cast<double>(p.y) + v.y[here] / s.spacing,
                               static_cast<double>(p.x) + v.x[here] / s.spacing);
    const std::size_t back = v.index({p.z - 1, p.y, p.x});
    const Vec2 r = Vec2{v.y[back] - v.y[here], v.x[back] - v.x[here]} - f.flow;
    if (f.weight > 0)
      left[p] = static_cast<std::int16_t>(
          std::min(std::floor(std::sqrt(r.y * r.y + r.x * r.x) * flow_units_per_px + 0.5), 32767.0));
  });
}

void compose(const Before& before, Index spacing, Array& field) {
  const auto view = field.view<std::int32_t>();
  const auto level = static_cast<double>(before.level);
  field.box().for_each([&](Coord p) {
    const Vec2 v{static_cast<double>(view.at(0, p)) / field_units_per_px,
                 static_cast<double>(view.at(1, p)) / field_units_per_px};
    const Vec2 u = before.at(p.z, Vec2{node_centre(p.y, spacing), node_centre(p.x, spacing)} + v);
    view.at(0, p) = to_units(level * (v.y + u.y));
    view.at(1, p) = to_units(level * (v.x + u.x));
  });
}

}  // namespace petavox::align
