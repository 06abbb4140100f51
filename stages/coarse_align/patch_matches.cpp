#include "stages/coarse_align/patch_matches.hpp"

#include "stages/coarse_align/patches.hpp"

#include <algorithm>

namespace petavox::coarse_align {
namespace {

/// The moving section as `t` shows it on the grid of the fixed one.
struct Shown {
  Plane image, inside;
};
Shown shown(const Prepared& fixed, const Prepared& moving, const Affine& t) {
  const Affine back = t.inverse();
  Shown out{Plane{fixed.image.height, fixed.image.width}, Plane{fixed.image.height, fixed.image.width}};
  // In tiles: what a row of a turned section reads is far apart, what a tile does stays in the cache.
  constexpr Index tile = 64;
  const auto show = [&](Index y, Index x) {
    const auto fy = static_cast<double>(y), fx = static_cast<double>(x);
    const Between place{moving.image, back.y(fy, fx), back.x(fy, fx)};
    if (!(place.of(moving.inside) > 0.5F)) return;
    out.image.at(y, x) = place.of(moving.image);
    out.inside.at(y, x) = 1;
  };
  for (Index y0 = 0; y0 < fixed.image.height; y0 += tile)
    for (Index x0 = 0; x0 < fixed.image.width; x0 += tile)
      for (Index y = y0; y < std::min(y0 + tile, fixed.image.height); ++y)
        for (Index x = x0; x < std::min(x0 + tile, fixed.image.width); ++x) show(y, x);
  return out;
}

/// True if most of a place holds something in both.
bool shared(const Plane& a, const Plane& b, const Rect& place) {
  Index count = 0;
  for (Index y = place.y0; y < place.y1; ++y)
    for (Index x = place.x0; x < place.x1; ++x) count += a.at(y, x) > 0 && b.at(y, x) > 0 ? 1 : 0;
  return 10 * count >= 7 * place.height() * place.width();
}

}  // namespace

PatchMatches match_patches(const Prepared& fixed, const Prepared& moving, const Affine& t, Index radius) {
  constexpr Index patch = 32;
  constexpr double min_correlation = 0.3, flat = 0.1;
  Shown other = shown(fixed, moving, t);
  other.image = smoothed(other.image, 1);
  // Wide searches cost more and need to be less certain.
  const Index most = radius > search_px ? 60 : 200;
  Index step = patch / 2, content = 0;
  for (const float v : fixed.inside.values) content += v > 0 ? 1 : 0;
  while (content / (step * step) > most) ++step;
  const Affine back = t.inverse();
  PatchMatches out;
  for (Index y = 0; y + patch <= fixed.image.height; y += step)
    for (Index x = 0; x + patch <= fixed.image.width; x += step) {
      const Rect place{y, x, y + patch, x + patch};
      if (shared(fixed.inside, other.inside, place)) ++out.tried;
      const auto peak =
          match_patch({fixed.smooth, fixed.inside}, {other.image, other.inside}, place, 0, 0, radius, flat);
      if (!peak || peak->correlation < min_correlation) continue;
      out.correlation += peak->correlation;
      Keypoint f, m;
      f.y = static_cast<double>(y) + (patch - 1) / 2.0;
      f.x = static_cast<double>(x) + (patch - 1) / 2.0;
      m.y = back.y(f.y + peak->dy, f.x + peak->dx);
      m.x = back.x(f.y + peak->dy, f.x + peak->dx);
      const auto n = static_cast<std::uint32_t>(out.matches.size());
      out.fixed.points.push_back(f);
      out.moving.points.push_back(m);
      out.matches.push_back({n, n, 0});
    }
  return out;
}

}  // namespace petavox::coarse_align
