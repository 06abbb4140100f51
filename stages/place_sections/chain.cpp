#include "stages/place_sections/chain.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace petavox::place_sections {
namespace {

struct Groups {
  std::vector<Index> parent;
  explicit Groups(Index n) : parent(static_cast<std::size_t>(n)) {
    std::iota(parent.begin(), parent.end(), 0);
  }
  Index find(Index i) {
    Index& p = parent[static_cast<std::size_t>(i)];
    if (p != i) p = find(p);
    return p;
  }
  /// The lower number names a group.
  bool join(Index a, Index b) {
    a = find(a);
    b = find(b);
    if (a == b) return false;
    parent[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    return true;
  }
};

/// The pairs of a forest that keeps the surest ones, section by section.
std::vector<std::vector<PairLink>> forest(Index sections, std::vector<PairLink> links, Groups& groups) {
  std::ranges::sort(links, [](const PairLink& a, const PairLink& b) {
    return std::tuple{-a.confidence, a.distance, a.z} < std::tuple{-b.confidence, b.distance, b.z};
  });
  std::vector<std::vector<PairLink>> kept(static_cast<std::size_t>(sections));
  for (const PairLink& link : links) {
    if (!groups.join(link.z, link.z - link.distance)) continue;
    kept[static_cast<std::size_t>(link.z)].push_back(link);
    kept[static_cast<std::size_t>(link.z - link.distance)].push_back(link);
  }
  return kept;
}

/// Places everything that is connected with `root`, whose placement is set.
void spread(Index root, const std::vector<std::vector<PairLink>>& tree, std::vector<Placed>& placed) {
  std::vector<std::pair<Index, Index>> open{{root, -1}};
  while (!open.empty()) {
    const auto [at, from] = open.back();
    open.pop_back();
    const Placed here = placed[static_cast<std::size_t>(at)];
    for (const PairLink& link : tree[static_cast<std::size_t>(at)]) {
      const Index fixed = link.z - link.distance, other = link.z == at ? fixed : link.z;
      if (other == from) continue;
      Placed& there = placed[static_cast<std::size_t>(other)];
      there.from_canvas = (other == fixed ? link.to_fixed : link.to_fixed.inverse()).after(here.from_canvas);
      there.found = here.found;
      there.confidence = std::min(here.confidence, link.confidence);
      open.emplace_back(other, at);
    }
  }
}

double distance(const Affine& a, const Affine& b, const Box& frame) {
  double sum = 0;
  for (const Index py : {frame.begin.y, frame.end.y})
    for (const Index px : {frame.begin.x, frame.end.x}) {
      const auto y = static_cast<double>(py), x = static_cast<double>(px);
      const double dy = a.y(y, x) - b.y(y, x), dx = a.x(y, x) - b.x(y, x);
      sum += std::sqrt(dy * dy + dx * dx);
    }
  return sum / 4;
}

/// The member that lies most like the others: those far off (turned over, turned round) count no more than a
/// quarter of the frame each. Of very many members, 512 evenly spaced ones are asked.
Index most_typical(const std::vector<Index>& members, const std::vector<Placed>& placed, const Box& frame) {
  const Extent shape = frame.shape();
  const double far = static_cast<double>(std::max(shape.y, shape.x)) / 4;
  const std::size_t step = members.size() / 512 + 1;
  Index best = members.front();
  double least = -1;
  for (std::size_t i = 0; i < members.size(); i += step) {
    double sum = 0;
    // Both as seen from the canvas that the candidate would define.
    const Affine back = placed[static_cast<std::size_t>(members[i])].from_canvas.inverse();
    for (std::size_t j = 0; j < members.size(); j += step)
      sum += std::min(far, distance(placed[static_cast<std::size_t>(members[j])].from_canvas.after(back),
                                    Affine{}, frame));
    if (least < 0 || sum < least) {
      least = sum;
      best = members[i];
    }
  }
  return best;
}

}  // namespace

std::vector<Placed> chain(Index sections, std::vector<PairLink> links, const Box& frame) {
  Groups groups{sections};
  const auto tree = forest(sections, std::move(links), groups);
  std::vector<std::vector<Index>> members(static_cast<std::size_t>(sections));
  for (Index z = 0; z < sections; ++z) members[static_cast<std::size_t>(groups.find(z))].push_back(z);
  const auto& largest = *std::ranges::max_element(members, {}, [](const auto& m) { return m.size(); });

  std::vector<Placed> placed(static_cast<std::size_t>(sections));
  const auto start = [&](Index root, const Affine& at, bool found) {
    placed[static_cast<std::size_t>(root)] = {at, found, found ? 1.0 : 0.0};
    spread(root, tree, placed);
  };
  start(largest.front(), {}, true);
  start(most_typical(largest, placed, frame), {}, true);
  for (const auto& group : members) {
    if (group.empty() || &group == &largest) continue;
    // Where the group comes nearest to the placed sections.
    Index root = group.front(), like = largest.front();
    for (const Index z : group)
      for (const Index p : largest)
        if (std::abs(z - p) < std::abs(root - like)) {
          root = z;
          like = p;
        }
    start(root, placed[static_cast<std::size_t>(like)].from_canvas, false);
  }
  return placed;
}

}  // namespace petavox::place_sections
