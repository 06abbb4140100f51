#include "stages/coarse_align/kernel.hpp"

#include "stages/coarse_align/consensus.hpp"
#include "stages/coarse_align/nearby.hpp"
#include "stages/coarse_align/patches.hpp"
#include "stages/coarse_align/prepared.hpp"
#include "stages/coarse_align/rotations.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace petavox::coarse_align {
namespace {

constexpr Index search_px = 12;  // round the place of a patch, when the transform is about right

Index larger_extent(const Box& a, const Box& b) {
  return std::max({Index{1}, a.shape().y, a.shape().x, b.shape().y, b.shape().x});
}

/// What is stored does not hang on the last bits.
double rounded(double v, double step) { return std::floor(v / step + 0.5) * step; }

/// How many starting points were tried: the more, the likelier one of them fits by chance.
enum class Search { as_given, keypoints, poses };

struct Candidate {
  Search by = Search::keypoints;
  Agreement agreement;
  int matches = 0;
  bool flipped = false;
  double ncc = 0, share = 0;  // correlation over the overlap, and its share of the smaller content
};

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
      const double my = back.y(fy, fx), mx = back.x(fy, fx);
      if (!(sample(moving.inside, my, mx) > 0.5F)) continue;
      const auto u = static_cast<double>(fixed.smoother.at(y, x));
      const auto v = static_cast<double>(sample(moving.smoother, my, mx));
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

/// One way to lay the moving section: as it is, or turned over.
struct Pairing {
  const Prepared& fixed;
  const Prepared& moving;
  Features fixed_features, moving_features;
  bool flipped = false;
};

bool possible(const Affine& t, const Settings& settings) {
  const Stretch stretch = stretch_of(t);
  const double limit = settings.max_scale * 1.1;  // an affine transform may stretch one way a little more
  return stretch.most <= limit && stretch.least * limit >= 1;
}

/// The moving section as `t` shows it on the grid of the fixed one.
struct Shown {
  Plane image, inside;
};
Shown shown(const Prepared& fixed, const Prepared& moving, const Affine& t) {
  const Affine back = t.inverse();
  Shown out{Plane{fixed.image.height, fixed.image.width}, Plane{fixed.image.height, fixed.image.width}};
  for (Index y = 0; y < fixed.image.height; ++y)
    for (Index x = 0; x < fixed.image.width; ++x) {
      const auto fy = static_cast<double>(y), fx = static_cast<double>(x);
      const double my = back.y(fy, fx), mx = back.x(fy, fx);
      if (!(sample(moving.inside, my, mx) > 0.5F)) continue;
      out.image.at(y, x) = sample(moving.image, my, mx);
      out.inside.at(y, x) = 1;
    }
  return out;
}

/// True if most of a place holds something in both.
bool shared(const Plane& a, const Plane& b, const Rect& place) {
  Index count = 0;
  for (Index y = place.y0; y < place.y1; ++y)
    for (Index x = place.x0; x < place.x1; ++x) count += a.at(y, x) > 0 && b.at(y, x) > 0 ? 1 : 0;
  return 10 * count >= 7 * place.height() * place.width();
}

/// Places of the fixed section and where patches round them are found in the moving one, through `t`: as
/// features without descriptors, pair by pair.
struct PatchMatches {
  Features fixed, moving;
  std::vector<Match> matches;
  std::size_t tried = 0;   ///< places where both sections hold something
  double correlation = 0;  ///< sum over the matches
};
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

/// A transform that is about right, brought to agree with patches all over the overlap.
Candidate improved(const Pairing& p, Search by, const Affine& start, std::initializer_list<Index> radii,
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

/// So many patches cannot agree on something else than the truth: no need to look further.
bool sure(const Candidate& c, const Settings& settings) {
  return proven(c, settings) && static_cast<int>(c.agreement.inliers.size()) >= 3 * settings.min_inliers;
}

Candidate by_keypoints(const Pairing& p, const Settings& settings) {
  const Agreement first =
      agree(p.fixed_features, p.moving_features, match(p.fixed_features, p.moving_features), settings);
  if (first.inliers.size() < 3) return {};
  return improved(p, Search::keypoints, first.transform, {search_px, search_px}, settings);
}

Candidate by_poses(const Pairing& p, const Settings& settings) {
  constexpr std::size_t num_poses = 6;
  Candidate best;
  for (const Affine& pose : likely_poses(p.fixed.image, p.moving.image, settings.max_scale, num_poses)) {
    Candidate c = improved(p, Search::poses, pose, {16, search_px, search_px}, settings);
    if (better(c, best, settings)) best = std::move(c);
  }
  return best;
}

/// The best transform of the moving section, as it is or turned over, that any search finds.
Candidate searched(const Prepared& fixed, const Prepared& moving, bool doubled, Candidate best,
                   const Settings& settings) {
  const auto features = [&](const Prepared& p) {
    return features_of(p.image, p.inside, settings.max_features, doubled);
  };
  std::vector<Pairing> pairings;
  pairings.push_back({fixed, moving, features(fixed), features(moving), false});
  Prepared turned;
  if (settings.flips) {
    turned = mirrored(moving);
    pairings.push_back({fixed, turned, pairings.front().fixed_features, features(turned), true});
  }
  for (const auto& search : {by_keypoints, by_poses})
    for (const Pairing& pairing : pairings) {
      Candidate c = search(pairing, settings);
      if (better(c, best, settings)) best = std::move(c);
      if (sure(best, settings)) return best;
    }
  return best;
}

/// The sections of one search, prepared; nothing if one holds nothing.
struct Both {
  Prepared fixed, moving;
  bool small = false;  ///< half of what a search may have
};
std::optional<Both> both_of(const Section& fixed, const Section& moving, const Settings& settings) {
  check(fixed);
  check(moving);
  const Box fixed_content = content_of(fixed), moving_content = content_of(moving);
  if (fixed_content.empty() || moving_content.empty()) return std::nullopt;
  const Index extent = larger_extent(fixed_content, moving_content);
  const Index factor = ceil_div(extent, settings.max_extent);  // one for both: scales stay comparable
  return Both{prepared(fixed, fixed_content, factor), prepared(moving, moving_content, factor),
              2 * extent <= settings.max_extent};
}

/// From pixels of the moving section to pixels of its planes, as a search lays them.
Affine into_moving_planes(const Both& both, bool flipped) {
  const Affine start = into_planes(both.moving);
  if (!flipped) return start;
  Affine turn;
  turn.xx = -1;
  turn.x0 = static_cast<double>(both.moving.image.width - 1);
  return turn.after(start);
}

/// What a search found, in pixels of the sections.
Result result_of(const Both& both, const Candidate& best, bool found, const Settings& settings) {
  Result result;
  result.matches = best.matches;
  result.inliers = static_cast<int>(best.agreement.inliers.size());
  result.ncc = best.ncc;
  result.found = found;
  if (!result.found) return result;
  // moving section -> moving planes (-> mirrored) -> fixed planes -> fixed section
  const Affine start = into_moving_planes(both, best.flipped);
  Affine t = into_planes(both.fixed).inverse().after(best.agreement.transform.after(start));
  for (double* v : {&t.yy, &t.yx, &t.xy, &t.xx}) *v = rounded(*v, 0x1p-24);
  for (double* v : {&t.y0, &t.x0}) *v = rounded(*v, 0x1p-12);
  result.to_fixed = t;
  result.flipped = best.flipped;
  result.confidence = result.ncc * result.inliers / (result.inliers + settings.min_inliers);
  return result;
}

/// The sections as they were given: the answer that assumes least, and the cheapest to look at.
Candidate by_given(const Both& both, const Settings& settings) {
  return improved({both.fixed, both.moving, {}, {}, false}, Search::as_given,
                  as_given(both.fixed, both.moving), {24, search_px, search_px}, settings);
}

/// A transform of the sections that was found on fewer pixels, on these.
Candidate on_finer(const Both& both, const Result& found, const Settings& settings) {
  const Affine start =
      into_planes(both.fixed).after(found.to_fixed.after(into_moving_planes(both, found.flipped).inverse()));
  Prepared turned;
  if (found.flipped) turned = mirrored(both.moving);
  return improved({both.fixed, found.flipped ? turned : both.moving, {}, {}, found.flipped},
                  Search::keypoints, start, {24, search_px, search_px}, settings);
}

}  // namespace

Result align(const Section& fixed, const Section& moving, const Settings& settings) {
  const std::optional<Both> both = both_of(fixed, moving, settings);
  if (!both) return {};
  Candidate best = by_given(*both, settings);
  if (proven(best, settings)) return result_of(*both, best, true, settings);
  // Sections that bend agree with an affine transform to some pixels of a coarse search only, which also
  // costs a tenth. What is beyond doubt there needs no other search.
  constexpr Index coarse_extent = 256;
  Result coarse;
  if (std::max({both->fixed.image.height, both->fixed.image.width, both->moving.image.height,
                both->moving.image.width}) > coarse_extent) {
    Settings fewer = settings;
    fewer.max_extent = coarse_extent;
    const std::optional<Both> reduced = both_of(fixed, moving, fewer);
    Candidate found = by_given(*reduced, fewer);
    if (!proven(found, fewer))
      found = searched(reduced->fixed, reduced->moving, reduced->small, std::move(found), fewer);
    coarse = result_of(*reduced, found, proven(found, fewer), fewer);
    if (sure(found, fewer)) {
      // Where sections bend, a few patches of the fine search agree somewhere, and say nothing of the rest.
      const Candidate fine = on_finer(*both, coarse, settings);
      return sure(fine, settings) ? result_of(*both, fine, true, settings) : coarse;
    }
  }
  best = searched(both->fixed, both->moving, both->small, std::move(best), settings);
  if (coarse.found && !proven(best, settings)) return coarse;
  return result_of(*both, best, proven(best, settings), settings);
}

Result align_nearby(const Section& fixed, const Section& moving, const Settings& settings) {
  const std::optional<Both> both = both_of(fixed, moving, settings);
  if (!both) return {};
  const auto& [f, m, small] = *both;
  const std::optional<Affine> pose = nearby({f.image, f.inside}, {m.image, m.inside}, as_given(f, m));
  if (!pose) return {};
  // That it is no chance is known; patches only bring it to its place.
  constexpr Index off = 24;
  const Candidate best =
      improved({f, m, {}, {}, false}, Search::poses, *pose, {off, search_px, search_px}, settings);
  const Affine& t = best.agreement.transform;
  const double y = 0.5 * static_cast<double>(m.image.height), x = 0.5 * static_cast<double>(m.image.width);
  const bool there = std::abs(t.y(y, x) - pose->y(y, x)) <= off && std::abs(t.x(y, x) - pose->x(y, x)) <= off;
  const bool agrees = static_cast<int>(best.agreement.inliers.size()) >= settings.min_inliers / 2;
  return result_of(*both, best,
                   there && agrees && best.ncc >= settings.min_ncc && best.share >= settings.min_overlap &&
                       possible(t, settings),
                   settings);
}

double likeness(const Section& fixed, const Section& moving, const Affine& to_fixed,
                const Settings& settings) {
  const std::optional<Both> both = both_of(fixed, moving, settings);
  if (!both) return 0;
  constexpr Index radius = 6;
  const PatchMatches found = match_patches(
      both->fixed, both->moving,
      into_planes(both->fixed).after(to_fixed.after(into_planes(both->moving).inverse())), radius);
  const double mean = found.tried == 0 ? 0 : found.correlation / static_cast<double>(found.tried);
  return rounded(std::min(1.0, mean), 0x1p-20);
}

}  // namespace petavox::coarse_align
