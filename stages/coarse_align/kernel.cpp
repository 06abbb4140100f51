#include "stages/coarse_align/kernel.hpp"

#include "petavox/base/error.hpp"

#include "stages/coarse_align/consensus.hpp"
#include "stages/coarse_align/patches.hpp"
#include "stages/coarse_align/rotations.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::coarse_align {
namespace {

constexpr Index search_px = 12;  // round the place of a patch, when the transform is about right

/// A section ready for the search: its content, reduced by a whole factor, local contrast made even.
struct Prepared {
  Plane image, inside;
  double factor = 1, y0 = 0,
         x0 = 0;  // pixel (y, x) of the planes is y0 + factor (y + 0.5) - 0.5 of the section
};

void check(const Section& section) {
  const View<const std::uint8_t>& v = section.image;
  if (v.box().shape().z != 1 || v.channels() != 1 || (section.mask && section.mask->box() != v.box()))
    throw Error{ErrorCode::contract,
                "a section for the coarse alignment is not one plane of one channel with a mask of its box "
                "(a transform is found plane by plane); pass one section at a time"};
}

/// From pixels of a section to those of its planes.
Affine into_planes(const Prepared& p) {
  Affine t;
  t.yy = t.xx = 1 / p.factor;
  t.y0 = (0.5 - p.y0) / p.factor - 0.5;
  t.x0 = (0.5 - p.x0) / p.factor - 0.5;
  return t;
}

/// The box of pixels that hold something.
Box content_of(const Section& section) {
  const Box all = section.image.box();
  Box content{{all.begin.z, all.end.y, all.end.x}, {all.end.z, all.begin.y, all.begin.x}};
  for (Index y = all.begin.y; y < all.end.y; ++y) {
    const auto row = section.image.row(all.begin.z, y);
    for (Index x = all.begin.x; x < all.end.x; ++x) {
      if (row[static_cast<std::size_t>(x - all.begin.x)] == 0) continue;
      if (section.mask && (*section.mask)[{all.begin.z, y, x}] == 0) continue;
      content.begin.y = std::min(content.begin.y, y);
      content.end.y = std::max(content.end.y, y + 1);
      content.begin.x = std::min(content.begin.x, x);
      content.end.x = std::max(content.end.x, x + 1);
    }
  }
  return content;
}

/// Means over factor x factor pixels that hold something; `inside` is their share.
Prepared reduced(const Section& section, const Box& content, Index factor) {
  const Extent shape = content.shape();
  Prepared p;
  p.factor = static_cast<double>(factor);
  p.y0 = static_cast<double>(content.begin.y);
  p.x0 = static_cast<double>(content.begin.x);
  p.image = Plane{ceil_div(shape.y, factor), ceil_div(shape.x, factor)};
  p.inside = Plane{p.image.height, p.image.width};
  const Index z = content.begin.z;
  for (Index y = 0; y < p.image.height; ++y)
    for (Index x = 0; x < p.image.width; ++x) {
      std::int64_t sum = 0, count = 0;
      const Index ye = std::min(content.end.y, content.begin.y + (y + 1) * factor);
      const Index xe = std::min(content.end.x, content.begin.x + (x + 1) * factor);
      for (Index py = content.begin.y + y * factor; py < ye; ++py)
        for (Index px = content.begin.x + x * factor; px < xe; ++px) {
          const std::uint8_t value = section.image[{z, py, px}];
          if (value == 0 || (section.mask && (*section.mask)[{z, py, px}] == 0)) continue;
          sum += value;
          ++count;
        }
      if (2 * count < factor * factor) continue;
      p.image.at(y, x) = static_cast<float>(sum) / static_cast<float>(count);
      p.inside.at(y, x) = 1;
    }
  return p;
}

/// Local mean 0 and standard deviation 1, over Gaussians that see only what is inside; 0 outside.
void even_out(Prepared& p) {
  const Index extent = std::max(p.image.height, p.image.width);
  const double sigma = std::clamp(static_cast<double>(extent) / 24, 10.0, 32.0);
  const std::size_t n = p.image.values.size();
  const Plane weight = smoothed(p.inside, sigma);
  Plane mean = smoothed(p.image, sigma);  // the image is 0 outside
  Plane square = p.image;
  for (std::size_t i = 0; i < n; ++i) {
    if (p.inside.values[i] > 0) p.image.values[i] -= mean.values[i] / weight.values[i];
    square.values[i] = p.image.values[i] * p.image.values[i];
  }
  const Plane variance = smoothed(square, sigma);
  double total = 0, count = 0;
  for (std::size_t i = 0; i < n; ++i)
    if (p.inside.values[i] > 0) {
      total += static_cast<double>(square.values[i]);
      count += 1;
    }
  // Flat areas are not blown up to noise: at least a quarter of the typical deviation is assumed.
  const auto least = static_cast<float>(total / std::max(1.0, count)) / 16;
  for (std::size_t i = 0; i < n; ++i) {
    if (!(p.inside.values[i] > 0)) continue;
    const float v = std::max(variance.values[i] / weight.values[i], least);
    p.image.values[i] = v > 0 ? std::clamp(p.image.values[i] / std::sqrt(v), -3.0F, 3.0F) : 0.0F;
  }
  // Keypoints at the rim of the content describe its outline: they need content all round.
  p.inside = smoothed(p.inside, 3);
  for (float& v : p.inside.values) v = v > 0.97F ? 1.0F : 0.0F;
}

Prepared prepared(const Section& section, const Box& content, Index factor) {
  Prepared p = reduced(section, content, factor);
  even_out(p);
  return p;
}

void mirror(Plane& plane) {
  for (Index y = 0; y < plane.height; ++y) std::reverse(plane.row(y), plane.row(y) + plane.width);
}

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
/// Smoothed first: what is finer than the transform is accurate would only dilute it.
void compare(Prepared fixed, Prepared moving, Candidate& c) {
  const Affine& t = c.agreement.transform;
  constexpr double smoothing = 2;
  fixed.image = smoothed(fixed.image, smoothing);
  moving.image = smoothed(moving.image, smoothing);
  const Affine back = t.inverse();
  double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  for (Index y = 0; y < fixed.image.height; ++y)
    for (Index x = 0; x < fixed.image.width; ++x) {
      if (!(fixed.inside.at(y, x) > 0)) continue;
      const auto fy = static_cast<double>(y), fx = static_cast<double>(x);
      const double my = back.y(fy, fx), mx = back.x(fy, fx);
      if (!(sample(moving.inside, my, mx) > 0.5F)) continue;
      const auto u = static_cast<double>(fixed.image.at(y, x));
      const auto v = static_cast<double>(sample(moving.image, my, mx));
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
  const Plane smooth = smoothed(fixed.image, 1);
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
          match_patch({smooth, fixed.inside}, {other.image, other.inside}, place, 0, 0, radius, flat);
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
    turned = moving;
    mirror(turned.image);
    mirror(turned.inside);
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

}  // namespace

Result align(const Section& fixed, const Section& moving, const Settings& settings) {
  check(fixed);
  check(moving);
  Result result;
  const Box fixed_content = content_of(fixed), moving_content = content_of(moving);
  if (fixed_content.empty() || moving_content.empty()) return result;
  const Index extent = larger_extent(fixed_content, moving_content);
  const Index factor = ceil_div(extent, settings.max_extent);  // one for both: scales stay comparable
  const Prepared f = prepared(fixed, fixed_content, factor);
  const Prepared m = prepared(moving, moving_content, factor);
  // As the sections were given: the answer that assumes least, and the cheapest to look at.
  Candidate best =
      improved({f, m, {}, {}, false}, Search::as_given, into_planes(f).after(into_planes(m).inverse()),
               {24, search_px, search_px}, settings);
  if (!proven(best, settings))
    best = searched(f, m, 2 * extent <= settings.max_extent, std::move(best), settings);
  result.matches = best.matches;
  result.inliers = static_cast<int>(best.agreement.inliers.size());
  result.ncc = best.ncc;
  result.found = proven(best, settings);
  if (!result.found) return result;

  // moving section -> moving planes (-> mirrored) -> fixed planes -> fixed section
  Affine start = into_planes(m);
  if (best.flipped) {
    Affine turn;
    turn.xx = -1;
    turn.x0 = static_cast<double>(m.image.width - 1);
    start = turn.after(start);
  }
  Affine t = into_planes(f).inverse().after(best.agreement.transform.after(start));
  for (double* v : {&t.yy, &t.yx, &t.xy, &t.xx}) *v = rounded(*v, 0x1p-24);
  for (double* v : {&t.y0, &t.x0}) *v = rounded(*v, 0x1p-12);
  result.to_fixed = t;
  result.flipped = best.flipped;
  result.confidence = result.ncc * result.inliers / (result.inliers + settings.min_inliers);
  return result;
}

double likeness(const Section& fixed, const Section& moving, const Affine& to_fixed,
                const Settings& settings) {
  check(fixed);
  check(moving);
  const Box fixed_content = content_of(fixed), moving_content = content_of(moving);
  if (fixed_content.empty() || moving_content.empty()) return 0;
  const Index factor = ceil_div(larger_extent(fixed_content, moving_content), settings.max_extent);
  const Prepared f = prepared(fixed, fixed_content, factor);
  const Prepared m = prepared(moving, moving_content, factor);
  constexpr Index radius = 6;
  const PatchMatches found =
      match_patches(f, m, into_planes(f).after(to_fixed.after(into_planes(m).inverse())), radius);
  const double mean = found.tried == 0 ? 0 : found.correlation / static_cast<double>(found.tried);
  return rounded(std::min(1.0, mean), 0x1p-20);
}

}  // namespace petavox::coarse_align
