#include "stages/tiles/offsets.hpp"

#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::tiles {
namespace {

Index rounded(double v) { return static_cast<Index>(std::floor(v + 0.5)); }

/// Keeps what is read of an overlap within bounds: its middle.
Rect limited(Rect rect) {
  constexpr Index longest = 4096, pixels = held_pixels / 4;
  const auto cut = [](Index& low, Index& high, Index most) {
    if (high - low <= most) return;
    low += (high - low - most) / 2;
    high = low + most;
  };
  cut(rect.y0, rect.y1, longest);
  cut(rect.x0, rect.x1, longest);
  if (rect.height() * rect.width() > pixels)
    cut(rect.x0, rect.x1, std::max<Index>(1, pixels / rect.height()));
  return rect;
}

/// Patches on a grid over the overlap, two rows or columns where it is wide enough.
std::vector<Rect> patches_over(const Rect& overlap, Index side) {
  const Index h = std::min(side, overlap.height()), w = std::min(side, overlap.width());
  Index rows = std::max<Index>(1, overlap.height() / h), columns = std::max<Index>(1, overlap.width() / w);
  while (rows * columns > max_patches) (rows > columns ? rows : columns) -= 1;
  std::vector<Rect> patches;
  for (Index j = 0; j < rows; ++j)
    for (Index i = 0; i < columns; ++i) {
      const Index y = rows == 1 ? (overlap.height() - h) / 2 : j * (overlap.height() - h) / (rows - 1);
      const Index x = columns == 1 ? (overlap.width() - w) / 2 : i * (overlap.width() - w) / (columns - 1);
      patches.push_back({overlap.y0 + y, overlap.x0 + x, overlap.y0 + y + h, overlap.x0 + x + w});
    }
  return patches;
}

double mean_over(const Piece& piece, const Rect& rect) {
  double sum = 0, count = 0;
  const Rect r = rect.meet({0, 0, piece.values.height, piece.values.width});
  for (Index y = r.y0; y < r.y1; ++y)
    for (Index x = r.x0; x < r.x1; ++x) {
      const auto inside = static_cast<double>(piece.inside.at(y, x));
      sum += inside * static_cast<double>(piece.values.at(y, x));
      count += inside;
    }
  return count > 0 ? sum / count : 0;
}

/// Drops patches that disagree with the median by more than `limit`, and takes the weighted mean of the rest.
void settle(PairOffset& pair, double limit) {
  std::vector<double> dy, dx;
  for (const Patch& p : pair.patches) {
    dy.push_back(p.dy);
    dx.push_back(p.dx);
  }
  const double my = coarse_align::median(dy), mx = coarse_align::median(dx);
  std::erase_if(pair.patches,
                [&](const Patch& p) { return std::abs(p.dy - my) > limit || std::abs(p.dx - mx) > limit; });
  if (pair.patches.empty()) return;
  double weight = 0, y = 0, x = 0;
  for (const Patch& p : pair.patches) {
    weight += p.weight;
    y += p.weight * p.dy;
    x += p.weight * p.dx;
  }
  pair.dy = y / weight;
  pair.dx = x / weight;
  pair.correlation = weight / static_cast<double>(pair.patches.size());
}

}  // namespace

Rect nominal_overlap(const Section& section, Index first, Index second) {
  const Index dy = rounded(section.y(second) - section.y(first)),
              dx = rounded(section.x(second) - section.x(first));
  return section.rect(first).meet(section.rect(second).moved(dy, dx));
}

PairOffset offset_of(const Section& section, Index first, Index second, const Settings& settings) {
  PairOffset pair;
  const Index ny = rounded(section.y(second) - section.y(first)),
              nx = rounded(section.x(second) - section.x(first));
  const Rect overlap = limited(nominal_overlap(section, first, second));
  // Where the overlap may really be, in either frame.
  const Rect own = overlap.grown(settings.search_px).meet(section.rect(first));
  const Rect other = overlap.moved(-ny, -nx).grown(settings.search_px).meet(section.rect(second));
  const Piece a = section.piece(first, own), b = section.piece(second, other);

  // Coarse: all of both pieces, reduced.
  const Index narrow = std::min(overlap.height(), overlap.width());
  const Index factor = narrow >= 96 ? 4 : narrow >= 48 ? 2 : 1;
  constexpr double light = 24;  // pixels over which the light is even
  const auto coarse = [&](const Piece& piece) {
    Piece small = reduced(piece, factor);
    small.values = high_passed(small.values, small.inside, light / static_cast<double>(factor));
    return small;
  };
  const Piece ca = coarse(a), cb = coarse(b);
  // A pixel p of `own` lies at p + own - other - n in `other`, if the nominal places are right.
  const Index dy = own.y0 - other.y0 - ny, dx = own.x0 - other.x0 - nx;
  const Index reach = settings.search_px / factor + 1;
  const auto down = [&](Index v) { return rounded(static_cast<double>(v) / static_cast<double>(factor)); };
  pair.state = PairState::no_content;
  const auto guess = best_shift(ca.values, ca.inside, cb.values, cb.inside, {0, down(dy), down(dx)},
                                {0, reach, reach}, 0.05);
  if (!guess) return pair;
  pair.state = PairState::no_match;
  const auto by = static_cast<Index>(guess->dy) * factor, bx = static_cast<Index>(guess->dx) * factor;

  // Fine: patches over what really overlaps, lightly smoothed against noise.
  const Plane fa = coarse_align::smoothed(a.values, 0.8), fb = coarse_align::smoothed(b.values, 0.8);
  const Rect real = Rect{0, 0, fa.height, fa.width}.meet(Rect{0, 0, fb.height, fb.width}.moved(-by, -bx));
  if (std::min(real.height(), real.width()) < 8) return pair;
  for (const Rect& what : patches_over(real, settings.patch_px)) {
    const auto peak = coarse_align::match_patch({fa, a.inside}, {fb, b.inside}, what, by, bx, factor + 3, 1);
    if (!peak || peak->correlation < settings.min_correlation) continue;
    Patch patch;
    patch.y = static_cast<double>(own.y0) + 0.5 * static_cast<double>(what.y0 + what.y1 - 1);
    patch.x = static_cast<double>(own.x0) + 0.5 * static_cast<double>(what.x0 + what.x1 - 1);
    patch.dy = static_cast<double>(own.y0 - other.y0) - peak->dy;
    patch.dx = static_cast<double>(own.x0 - other.x0) - peak->dx;
    patch.weight = peak->correlation;
    pair.patches.push_back(patch);
  }
  if (pair.patches.empty()) return pair;
  settle(pair, static_cast<double>(factor) + 2);
  if (pair.patches.empty()) return pair;
  pair.state = PairState::linked;
  pair.mean_own = mean_over(a, real);
  pair.mean_other = mean_over(b, real.moved(by, bx));
  return pair;
}

}  // namespace petavox::tiles
