#include "stages/coarse_align/patches.hpp"

#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::coarse_align {
namespace {

struct Fit {
  double share = 0, correlation = -1;
  bool flat = true;
};

Fit compared(const Masked& a, const Masked& b, const Rect& what, Index dy, Index dx, double flat) {
  double n = 0, sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
  for (Index y = what.y0; y < what.y1; ++y) {
    if (y + dy < 0 || y + dy >= b.values.height) continue;
    const Index x0 = std::max(what.x0, -dx), x1 = std::min(what.x1, b.values.width - dx);
    const float *va = a.values.row(y), *ia = a.inside.row(y);
    const float *vb = b.values.row(y + dy) + dx, *ib = b.inside.row(y + dy) + dx;
    // A row in single precision, rows in double: fast, and exact enough.
    float rn = 0, ra = 0, rb = 0, raa = 0, rbb = 0, rab = 0;
    for (Index x = x0; x < x1; ++x) {
      const float m = ia[x] * ib[x], u = m * va[x], v = m * vb[x];
      rn += m;
      ra += u;
      rb += v;
      raa += u * u;
      rbb += v * v;
      rab += u * v;
    }
    n += static_cast<double>(rn);
    sa += static_cast<double>(ra);
    sb += static_cast<double>(rb);
    aa += static_cast<double>(raa);
    bb += static_cast<double>(rbb);
    ab += static_cast<double>(rab);
  }
  Fit fit;
  fit.share = n / static_cast<double>(what.height() * what.width());
  if (n < 1) return fit;
  const double va = aa - sa * sa / n, vb = bb - sb * sb / n;
  fit.flat = !(va > flat * flat * n && vb > flat * flat * n);
  if (!fit.flat) fit.correlation = (ab - sa * sb / n) / std::sqrt(va * vb);
  return fit;
}

}  // namespace

std::optional<Peak> match_patch(const Masked& a, const Masked& b, const Rect& what, Index dy, Index dx,
                                Index radius, double flat) {
  constexpr double min_share = 0.7;
  const Index side = 2 * radius + 1;
  std::vector<double> scores(static_cast<std::size_t>(side * side), -1.0);
  std::size_t best = 0;
  for (Index j = 0; j < side; ++j)
    for (Index i = 0; i < side; ++i) {
      const Fit fit = compared(a, b, what, dy + j - radius, dx + i - radius, flat);
      if (fit.flat || fit.share < min_share) continue;
      const auto at = static_cast<std::size_t>(j * side + i);
      scores[at] = fit.correlation;
      if (scores[at] > scores[best]) best = at;
    }
  const Index j = static_cast<Index>(best) / side, i = static_cast<Index>(best) % side;
  if (j == 0 || i == 0 || j == side - 1 || i == side - 1) return std::nullopt;
  const auto score = [&](Index jj, Index ii) { return scores[static_cast<std::size_t>(jj * side + ii)]; };
  const double north = score(j - 1, i), south = score(j + 1, i), west = score(j, i - 1),
               east = score(j, i + 1);
  if (std::min({north, south, west, east}) <= -1) return std::nullopt;
  Peak peak;
  peak.dy = static_cast<double>(dy + j - radius) + vertex(north, score(j, i), south);
  peak.dx = static_cast<double>(dx + i - radius) + vertex(west, score(j, i), east);
  peak.correlation = score(j, i);
  return peak;
}

}  // namespace petavox::coarse_align
