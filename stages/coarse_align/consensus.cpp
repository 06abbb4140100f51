#include "stages/coarse_align/consensus.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

namespace petavox::coarse_align {
namespace {

constexpr std::size_t max_pairs_from = 700;  // the surest matches from which hypotheses are made
constexpr double max_turn = 0.4;             // radians between the turn of a pair and of its keypoints
constexpr double max_ratio = 1.5;            // likewise for scales

/// Descriptors as 16-bit numbers: products of 8-bit ones do not vectorise.
using Wide = std::array<std::int16_t, 128>;
std::vector<Wide> widened(const Features& features) {
  std::vector<Wide> wide(features.descriptors.size());
  for (std::size_t i = 0; i < wide.size(); ++i)
    std::copy(features.descriptors[i].begin(), features.descriptors[i].end(), wide[i].begin());
  return wide;
}

std::int32_t distance(const Wide& a, const Wide& b) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto d = static_cast<std::int16_t>(a[i] - b[i]);
    sum += static_cast<std::int32_t>(d) * d;
  }
  return sum;
}

struct Nearest {
  std::int32_t first = std::numeric_limits<std::int32_t>::max(), second = first;
  std::uint32_t index = 0;
  void offer(std::int32_t distance, std::uint32_t candidate, bool same_place) {
    if (distance < first) {
      if (!same_place) second = first;
      first = distance;
      index = candidate;
    } else if (distance < second && !same_place) {
      second = distance;
    }
  }
};

bool same_place(const Keypoint& a, const Keypoint& b) {
  return a.y == b.y && a.x == b.x && a.scale == b.scale;
}

struct Pair {
  double fy, fx, my, mx;
};
Pair pair_of(const Features& fixed, const Features& moving, const Match& m) {
  const Keypoint &f = fixed.points[m.fixed], &g = moving.points[m.moving];
  return {f.y, f.x, g.y, g.x};
}

double squared_residual(const Affine& t, const Pair& p) {
  const double dy = t.y(p.my, p.mx) - p.fy, dx = t.x(p.my, p.mx) - p.fx;
  return dy * dy + dx * dx;
}

/// The similarity that takes two points of the moving image onto two of the fixed one.
Affine similarity_of(const Pair& a, const Pair& b) {
  const double my = b.my - a.my, mx = b.mx - a.mx, fy = b.fy - a.fy, fx = b.fx - a.fx;
  const double length = my * my + mx * mx;
  const double c = (mx * fx + my * fy) / length, s = (mx * fy - my * fx) / length;
  Affine t;
  t.xx = c;
  t.xy = -s;
  t.yx = s;
  t.yy = c;
  t.y0 = a.fy - (t.yy * a.my + t.yx * a.mx);
  t.x0 = a.fx - (t.xy * a.my + t.xx * a.mx);
  return t;
}

/// Least squares over all pairs; nothing if they do not determine a transform.
std::optional<Affine> fitted(const std::vector<Pair>& pairs, bool affine) {
  if (pairs.size() < (affine ? 3U : 2U)) return std::nullopt;
  double cfy = 0, cfx = 0, cmy = 0, cmx = 0;
  for (const Pair& p : pairs) {
    cfy += p.fy;
    cfx += p.fx;
    cmy += p.my;
    cmx += p.mx;
  }
  const auto n = static_cast<double>(pairs.size());
  cfy /= n;
  cfx /= n;
  cmy /= n;
  cmx /= n;
  double yy = 0, yx = 0, xx = 0, fyy = 0, fyx = 0, fxy = 0, fxx = 0;  // moments: moving, fixed x moving
  for (const Pair& p : pairs) {
    const double my = p.my - cmy, mx = p.mx - cmx, fy = p.fy - cfy, fx = p.fx - cfx;
    yy += my * my;
    yx += my * mx;
    xx += mx * mx;
    fyy += fy * my;
    fyx += fy * mx;
    fxy += fx * my;
    fxx += fx * mx;
  }
  Affine t;
  if (affine) {
    const double determinant = yy * xx - yx * yx;
    if (!(determinant > 1e-6 * (yy + xx) * (yy + xx))) return std::nullopt;  // the points lie on a line
    t.yy = (fyy * xx - fyx * yx) / determinant;
    t.yx = (fyx * yy - fyy * yx) / determinant;
    t.xy = (fxy * xx - fxx * yx) / determinant;
    t.xx = (fxx * yy - fxy * yx) / determinant;
  } else {
    if (!(yy + xx > 0)) return std::nullopt;
    const double c = (fxx + fyy) / (yy + xx), s = (fyx - fxy) / (yy + xx);
    t.xx = c;
    t.xy = -s;
    t.yx = s;
    t.yy = c;
  }
  t.y0 = cfy - (t.yy * cmy + t.yx * cmx);
  t.x0 = cfx - (t.xy * cmy + t.xx * cmx);
  return t;
}

std::vector<Match> inliers_of(const Features& fixed, const Features& moving,
                              const std::vector<Match>& matches, const Affine& t, double limit) {
  std::vector<Match> inliers;
  std::set<std::pair<double, double>> places;  // a spot with two directions counts once
  for (const Match& m : matches) {
    const Keypoint& f = fixed.points[m.fixed];
    if (squared_residual(t, pair_of(fixed, moving, m)) <= limit * limit && places.emplace(f.y, f.x).second)
      inliers.push_back(m);
  }
  return inliers;
}

/// True if the keypoints' own scales and directions could come from this similarity.
bool plausible(const Features& fixed, const Features& moving, const Match& m, double scale, double turn) {
  const Keypoint &f = fixed.points[m.fixed], &g = moving.points[m.moving];
  const double ratio = f.scale / g.scale / scale;
  if (ratio > max_ratio || ratio < 1 / max_ratio) return false;
  constexpr double pi = std::numbers::pi;
  double off = f.angle - g.angle - turn;
  while (off > pi) off -= 2 * pi;
  while (off < -pi) off += 2 * pi;
  return std::abs(off) <= max_turn;
}

}  // namespace

std::vector<Match> match(const Features& fixed, const Features& moving) {
  const std::vector<Wide> a = widened(fixed), b = widened(moving);
  std::vector<Nearest> to_moving(a.size()), to_fixed(b.size());
  for (std::uint32_t i = 0; i < a.size(); ++i)
    for (std::uint32_t j = 0; j < b.size(); ++j) {
      const std::int32_t d = distance(a[i], b[j]);
      Nearest &from_a = to_moving[i], &from_b = to_fixed[j];
      if (d < from_a.second) from_a.offer(d, j, same_place(moving.points[j], moving.points[from_a.index]));
      if (d < from_b.second) from_b.offer(d, i, same_place(fixed.points[i], fixed.points[from_b.index]));
    }
  std::vector<Match> matches;
  for (std::uint32_t i = 0; i < a.size() && !b.empty(); ++i) {
    const Nearest& n = to_moving[i];
    if (to_fixed[n.index].index != i) continue;
    // Squared distances: 0.9 of the distance.
    const std::int32_t next = std::min(n.second, to_fixed[n.index].second);
    if (static_cast<double>(n.first) > 0.81 * static_cast<double>(next)) continue;
    matches.push_back({i, n.index, next - n.first});
  }
  std::ranges::stable_sort(matches, [](const Match& p, const Match& q) { return p.margin > q.margin; });
  return matches;
}

Stretch stretch_of(const Affine& t) {
  // Singular values of a 2 x 2 matrix.
  const double sum = t.yy * t.yy + t.yx * t.yx + t.xy * t.xy + t.xx * t.xx;
  const double product = std::abs(t.determinant());
  const double root = std::sqrt(std::max(0.0, sum * sum - 4 * product * product));
  return {std::sqrt((sum + root) / 2), std::sqrt(std::max(0.0, (sum - root) / 2))};
}

Agreement refined(const Features& fixed, const Features& moving, const std::vector<Match>& matches,
                  Affine start, const Settings& settings, bool affine) {
  constexpr int max_rounds = 20;
  Agreement best{start, inliers_of(fixed, moving, matches, start, settings.inlier_px)};
  for (int round = 0; round < max_rounds; ++round) {
    std::vector<Pair> pairs;
    for (const Match& m : best.inliers) pairs.push_back(pair_of(fixed, moving, m));
    const std::optional<Affine> t = fitted(pairs, affine);
    if (!t) break;
    std::vector<Match> inliers = inliers_of(fixed, moving, matches, *t, settings.inlier_px);
    if (inliers.size() < best.inliers.size()) break;
    const bool same = inliers.size() == best.inliers.size();
    best = {*t, std::move(inliers)};
    if (same && round > 2) break;
  }
  return best;
}

Agreement agree(const Features& fixed, const Features& moving, const std::vector<Match>& matches,
                const Settings& settings) {
  const std::size_t count = std::min(matches.size(), max_pairs_from);
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < count; ++i) pairs.push_back(pair_of(fixed, moving, matches[i]));
  Affine best;
  std::size_t most = 0;
  const double limit = 2 * settings.inlier_px;  // two points determine the rest less well than a fit
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = i + 1; j < count; ++j) {
      const double dy = pairs[j].my - pairs[i].my, dx = pairs[j].mx - pairs[i].mx;
      if (dy * dy + dx * dx < 25 * settings.inlier_px * settings.inlier_px) continue;  // too near to tell
      const Affine t = similarity_of(pairs[i], pairs[j]);
      const double scale = std::sqrt(t.determinant());
      if (!(scale <= settings.max_scale && scale * settings.max_scale >= 1)) continue;
      const double turn = angle_of(t.yx, t.xx);
      if (!plausible(fixed, moving, matches[i], scale, turn) ||
          !plausible(fixed, moving, matches[j], scale, turn))
        continue;
      std::size_t votes = 0;
      for (const Pair& p : pairs) votes += squared_residual(t, p) <= limit * limit ? 1U : 0U;
      if (votes > most) {
        most = votes;
        best = t;
      }
    }
  if (most < 3) return {};
  return refined(fixed, moving, matches, best, settings, false);
}

}  // namespace petavox::coarse_align
