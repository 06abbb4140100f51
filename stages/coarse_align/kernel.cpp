#include "stages/coarse_align/kernel.hpp"

#include "stages/coarse_align/candidate.hpp"
#include "stages/coarse_align/nearby.hpp"
#include "stages/coarse_align/patch_matches.hpp"
#include "stages/coarse_align/rotations.hpp"
#include "stages/coarse_align/sought.hpp"

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
  const Features &fixed_features, &moving_features;
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

/// The sections of one search, reduced by one factor: scales stay comparable.
struct Both {
  Sought &fixed_section, &moving_section;
  Index factor;
  const Prepared &fixed, &moving;
  bool small;  ///< half of what a search may have
};
/// Nothing if one holds nothing.
std::optional<Both> both_of(Sought& fixed, Sought& moving, const Settings& settings) {
  if (fixed.content().empty() || moving.content().empty()) return std::nullopt;
  const Index extent = larger_extent(fixed.content(), moving.content());
  const Index factor = ceil_div(extent, settings.max_extent);
  return Both{
      fixed, moving, factor, fixed.planes(factor), moving.planes(factor), 2 * extent <= settings.max_extent};
}

/// The best transform of the moving section, as it is or turned over, that any search finds. Its mirror image
/// is looked at only where it is not found as it is.
Candidate searched(const Both& both, Candidate best, const Settings& settings) {
  const int count = settings.max_features;
  const Features& fixed_features = both.fixed_section.features(both.factor, count, both.small);
  const Pairing straight{{both.fixed, both.moving, false},
                         fixed_features,
                         both.moving_section.features(both.factor, count, both.small)};
  const auto found_by = [&](const auto& search, const Pairing& pairing) {
    Candidate c = search(pairing, settings);
    if (better(c, best, settings)) best = std::move(c);
    return sure(best, settings);
  };
  if (found_by(by_keypoints, straight)) return best;
  if (!settings.flips) {
    found_by(by_poses, straight);
    return best;
  }
  const Prepared turned = mirrored(both.moving);
  const Features turned_features = features_of(turned.image, turned.inside, count, both.small);
  const Pairing over{{both.fixed, turned, true}, fixed_features, turned_features};
  found_by(by_keypoints, over) || found_by(by_poses, straight) || found_by(by_poses, over);
  return best;
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

Result align(Sought& fixed, Sought& moving, const Settings& settings) {
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
    if (!proven(found, fewer)) found = searched(*reduced, std::move(found), fewer);
    coarse = result_of(*reduced, found, proven(found, fewer), fewer);
    if (sure(found, fewer)) {
      // Where sections bend, a few patches of the fine search agree somewhere, and say nothing of the rest.
      const Candidate fine = on_finer(*both, coarse, settings);
      return sure(fine, settings) ? result_of(*both, fine, true, settings) : coarse;
    }
  }
  best = searched(*both, std::move(best), settings);
  if (coarse.found && !proven(best, settings)) return coarse;
  return result_of(*both, best, proven(best, settings), settings);
}

Result align(const Section& fixed, const Section& moving, const Settings& settings) {
  Sought f{fixed}, m{moving};
  return align(f, m, settings);
}

Result align_nearby(const Section& fixed_section, const Section& moving_section, const Settings& settings) {
  Sought fixed{fixed_section}, moving{moving_section};
  const std::optional<Both> both = both_of(fixed, moving, settings);
  if (!both) return {};
  const Prepared &f = both->fixed, &m = both->moving;
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

double likeness(Sought& fixed, Sought& moving, const Affine& to_fixed, const Settings& settings) {
  const std::optional<Both> both = both_of(fixed, moving, settings);
  if (!both) return 0;
  constexpr Index radius = 6;
  const PatchMatches found = match_patches(
      both->fixed, both->moving,
      into_planes(both->fixed).after(to_fixed.after(into_planes(both->moving).inverse())), radius);
  const double mean = found.tried == 0 ? 0 : found.correlation / static_cast<double>(found.tried);
  return rounded(std::min(1.0, mean), 0x1p-20);
}

double likeness(const Section& fixed, const Section& moving, const Affine& to_fixed,
                const Settings& settings) {
  Sought f{fixed}, m{moving};
  return likeness(f, m, to_fixed, settings);
}

}  // namespace petavox::coarse_align
