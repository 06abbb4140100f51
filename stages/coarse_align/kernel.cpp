#include "stages/coarse_align/kernel.hpp"

#include "stages/coarse_align/candidate.hpp"
#include "stages/coarse_align/nearby.hpp"
#include "stages/coarse_align/patch_matches.hpp"
#include "stages/coarse_align/rotations.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace petavox::coarse_align {
namespace {

Index larger_extent(const Box& a, const Box& b) {
  return std::max({Index{1}, a.shape().y, a.shape().x, b.shape().y, b.shape().x});
}

/// One way to lay the moving section: as it is, or turned over.
struct Pairing {
  Laid sections;
  Features fixed_features, moving_features;
};

Candidate by_keypoints(const Pairing& p, const Settings& settings) {
  const Agreement first =
      agree(p.fixed_features, p.moving_features, match(p.fixed_features, p.moving_features), settings);
  if (first.inliers.size() < 3) return {};
  return improved(p.sections, Search::keypoints, first.transform, {search_px, search_px}, settings);
}

Candidate by_poses(const Pairing& p, const Settings& settings) {
  constexpr std::size_t num_poses = 6;
  Candidate best;
  for (const Affine& pose :
       likely_poses(p.sections.fixed.image, p.sections.moving.image, settings.max_scale, num_poses)) {
    Candidate c = improved(p.sections, Search::poses, pose, {16, search_px, search_px}, settings);
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
  pairings.push_back({{fixed, moving, false}, features(fixed), features(moving)});
  Prepared turned;
  if (settings.flips) {
    turned = mirrored(moving);
    pairings.push_back({{fixed, turned, true}, pairings.front().fixed_features, features(turned)});
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
  return improved({both.fixed, both.moving, false}, Search::as_given, as_given(both.fixed, both.moving),
                  {24, search_px, search_px}, settings);
}

/// A transform of the sections that was found on fewer pixels, on these.
Candidate on_finer(const Both& both, const Result& found, const Settings& settings) {
  const Affine start =
      into_planes(both.fixed).after(found.to_fixed.after(into_moving_planes(both, found.flipped).inverse()));
  Prepared turned;
  if (found.flipped) turned = mirrored(both.moving);
  return improved({both.fixed, found.flipped ? turned : both.moving, found.flipped}, Search::keypoints, start,
                  {24, search_px, search_px}, settings);
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
  const Candidate best = improved({f, m, false}, Search::poses, *pose, {off, search_px, search_px}, settings);
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
