#include "stages/coarse_align/candidate.hpp"

#include "stages/coarse_align/patch_matches.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::coarse_align {
namespace {

double content_of(const Prepared& p) {
  double sum = 0;
  for (const float v : p.inside.values) sum += v > 0 ? 1 : 0;
  return sum;
}

/// Correlation of `fixed` with `moving` through `t`, where both hold something, and how much that is.
/// Smoothed: what is finer than the transform is accurate would only dilute it.
void compare(const Prepared& fixed, const Prepared& moving, Candidate& c) {
  const Affine& t = c.agreement.transform;
  const Affine back = t.inverse();
  double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  for (Index y = 0; y < fixed.image.height; ++y)
    for (Index x = 0; x < fixed.image.width; ++x) {
      if (!(fixed.inside.at(y, x) > 0)) continue;
      const auto fy = static_cast<double>(y), fx = static_cast<double>(x);
      const Between place{moving.image, back.y(fy, fx), back.x(fy, fx)};
      if (!(place.of(moving.inside) > 0.5F)) continue;
      const auto u = static_cast<double>(fixed.smoother.at(y, x));
      const auto v = static_cast<double>(place.of(moving.smoother));
      n += 1;
      a += u;
      b += v;
      aa += u * u;
      bb += v * v;
      ab += u * v;
    }
  const double smaller = std::min(content_of(fixed), std::abs(t.determinant()) * content_of(moving));
  if (n < 400) return;
  const double va = aa - a * a / n, vb = bb - b * b / n;
  c.share = std::min(1.0, n / smaller);
  c.ncc = va > 0 && vb > 0 ? rounded((ab - a * b / n) / std::sqrt(va * vb), 0x1p-20) : 0;
}

}  // namespace

double rounded(double v, double step) { return std::floor(v / step + 0.5) * step; }

bool possible(const Affine& t, const Settings& settings) {
  const Stretch stretch = stretch_of(t);
  const double limit = settings.max_scale * 1.1;  // an affine transform may stretch one way a little more
  return stretch.most <= limit && stretch.least * limit >= 1;
}

Candidate improved(const Laid& p, Search by, const Affine& start, std::initializer_list<Index> radii,
                   const Settings& settings) {
  Candidate c;
  c.by = by;
  c.flipped = p.flipped;
  c.agreement.transform = start;
  for (const Index radius : radii) {
    const PatchMatches found = match_patches(p.fixed, p.moving, c.agreement.transform, radius);
    c.matches = static_cast<int>(found.matches.size());
    // The first fit is loose: many patches of a pose are off by more than an inlier may be.
    Settings loose = settings;
    loose.inlier_px = std::max(settings.inlier_px, static_cast<double>(radius) / 2);
    Agreement fit = refined(found.fixed, found.moving, found.matches, c.agreement.transform, loose, false);
    fit = refined(found.fixed, found.moving, found.matches, fit.transform, settings, false);
    if (settings.affine && fit.inliers.size() >= 8) {
      Agreement affine = refined(found.fixed, found.moving, found.matches, fit.transform, settings, true);
      if (possible(affine.transform, settings)) fit = std::move(affine);
    }
    c.agreement = std::move(fit);
    if (c.agreement.inliers.size() < 3) return c;
  }
  compare(p.fixed, p.moving, c);
  return c;
}

bool proven(const Candidate& c, const Settings& settings) {
  // Patches that are found by chance lie anywhere in the search: four times their share proves something.
  const double hit = (2 * settings.inlier_px + 1) / (2 * static_cast<double>(search_px) + 1);
  const auto inliers = static_cast<int>(c.agreement.inliers.size());
  const int needed = c.by == Search::as_given ? 2 * settings.min_inliers / 3
                     : c.by == Search::poses  ? 3 * settings.min_inliers / 2
                                              : settings.min_inliers;
  return inliers >= needed && inliers >= 4 * hit * hit * c.matches && c.ncc >= settings.min_ncc &&
         c.share >= settings.min_overlap && possible(c.agreement.transform, settings);
}

bool better(const Candidate& a, const Candidate& b, const Settings& settings) {
  if (proven(a, settings) != proven(b, settings)) return proven(a, settings);
  // A landmark that comes in every section, at another place, fits well over a small part of them.
  const auto score = [](const Candidate& c) {
    return c.ncc * c.share * static_cast<double>(c.agreement.inliers.size());
  };
  return score(a) > score(b);
}

bool sure(const Candidate& c, const Settings& settings) {
  return proven(c, settings) && static_cast<int>(c.agreement.inliers.size()) >= 3 * settings.min_inliers;
}

}  // namespace petavox::coarse_align
