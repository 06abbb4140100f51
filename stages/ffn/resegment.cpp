#include "stages/ffn/resegment.hpp"

#include "petavox/base/check.hpp"

#include "stages/distance/kernel.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace petavox::ffn {
namespace {

Index squared(Coord d) { return d.z * d.z + d.y * d.y + d.x * d.x; }

/// Steps to voxels within `reach`, nearest first.
std::vector<std::pair<Index, Extent>> ball(Index reach) {
  std::vector<std::pair<Index, Extent>> steps;
  Box{{-reach, -reach, -reach}, {reach + 1, reach + 1, reach + 1}}.for_each([&](Coord d) {
    if (squared(d) <= reach * reach) steps.push_back({squared(d), {d.z, d.y, d.x}});
  });
  std::ranges::stable_sort(steps, {}, [](const auto& step) { return step.first; });
  return steps;
}

/// The voxels that are nearest to a pair.
struct Candidates {
  std::pair<Index, Index> distance{};  ///< the greater of the two, their sum; squared
  std::vector<Coord> voxels;
};

Coord next_to_middle(const std::vector<Coord>& voxels) {
  // Compared in multiples of the number of voxels, so that the middle is exact.
  const auto count = static_cast<Index>(voxels.size());
  Coord sum{};
  for (const Coord v : voxels) sum = {sum.z + v.z, sum.y + v.y, sum.x + v.x};
  return *std::ranges::min_element(voxels, {}, [&](Coord v) {
    return squared({v.z * count - sum.z, v.y * count - sum.y, v.x * count - sum.x});
  });
}

/// Where an object of segment `id` may begin: deepest inside of it first.
class Seeds {
 public:
  Seeds(const Array& ids, const Box& box, std::uint32_t id, Extent field_of_view) {
    constexpr double deepest = 32;
    const distance::Grid grid = distance::grid_of({1, 1, 1}, deepest);
    Array segment{DType::u32, box};
    const auto from = ids.view<std::uint32_t>();
    const auto to = segment.view<std::uint32_t>();
    box.for_each([&](Coord p) { to[p] = from[p] == id ? 1 : 0; });
    const Array depths = distance::squared(segment, box, grid);
    const auto depth = depths.view<std::int32_t>();
    const Extent half{field_of_view.z / 2, field_of_view.y / 2, field_of_view.x / 2};
    Box{box.begin + half, box.end - half}.intersect(box).for_each([&](Coord p) {
      if (to[p] != 0) places_.push_back({depth[p], p});
    });
    std::ranges::stable_sort(places_, std::ranges::greater{}, &Place::depth);
  }

  std::optional<Coord> next(Extent exclusion) {
    for (; at_ < places_.size(); ++at_) {
      const Coord p = places_[at_].voxel;
      const bool near =
          std::ranges::any_of(tried_, [&](Coord q) { return around(q, exclusion).contains(p); });
      if (near) continue;
      tried_.push_back(p);
      return p;
    }
    return std::nullopt;
  }

 private:
  struct Place {
    std::int32_t depth;
    Coord voxel;
  };
  std::vector<Place> places_;
  std::vector<Coord> tried_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<DecisionPoint> decision_points(const Array& ids, const Box& core, Index reach) {
  const auto id = ids.view<std::uint32_t>();
  const auto steps = ball(reach);
  std::map<std::pair<std::uint32_t, std::uint32_t>, Candidates> pairs;
  std::vector<std::pair<std::uint32_t, Index>> near;  // segments, each at its least distance
  core.for_each([&](Coord v) {
    near.clear();
    for (const auto& [distance, step] : steps) {
      const Coord p = v + step;
      if (!ids.box().contains(p)) continue;
      const std::uint32_t found = id[p];
      if (found == 0 || (!near.empty() && near.back().first == found)) continue;
      if (std::ranges::find(near, found, &std::pair<std::uint32_t, Index>::first) == near.end())
        near.push_back({found, distance});
    }
    for (std::size_t j = 1; j < near.size(); ++j)
      for (std::size_t i = 0; i < j; ++i) {
        const std::pair distance{near[j].second, near[i].second + near[j].second};
        Candidates& best = pairs[std::minmax(near[i].first, near[j].first)];
        if (best.voxels.empty() || distance < best.distance) {
          best.voxels.clear();
          best.distance = distance;
        }
        if (distance == best.distance) best.voxels.push_back(v);
      }
  });
  std::vector<DecisionPoint> points;
  for (const auto& [pair, candidates] : pairs)
    points.push_back({pair.first, pair.second, next_to_middle(candidates.voxels)});
  return points;
}

bool belong_together(const Resegmented& found, const Resegmentation& rule) {
  for (const auto& by : found.recovered)
    for (const double share : by)
      if (!(share > rule.consistency)) return false;
  return found.iou > rule.iou && (found.deleted[0] < rule.deleted || found.deleted[1] < rule.deleted);
}

Resegmented resegment(std::span<const float> image, const std::optional<Array>& mask, const Array& ids,
                      const Box& box, const DecisionPoint& where, const Resegmentation& rule,
                      const Settings& settings, Network network) {
  PETAVOX_ASSERT(ids.box().contains(box));
  const auto id = ids.view<std::uint32_t>();
  const Box compared = around(where.point, rule.analysis_radius).intersect(box);
  const std::uint32_t segments[2] = {where.a, where.b};
  std::uint64_t sizes[2] = {};
  compared.for_each([&](Coord p) {
    for (int s = 0; s < 2; ++s) sizes[s] += id[p] == segments[s] ? 1U : 0U;
  });

  Resegmented result;
  std::vector<Fate> fates[2];
  for (int from = 0; from < 2; ++from) {
    Seeds seeds{ids, box, segments[from], settings.flooding.field_of_view};
    for (int tried = 0; tried < rule.max_seeds; ++tried) {
      const std::optional<Coord> seed = seeds.next(rule.exclusion_radius);
      if (!seed) break;
      std::vector<Fate> object = grow_alone(image, mask, box, *seed, settings, network);
      std::uint64_t held[2] = {}, let_go = 0;
      compared.for_each([&](Coord p) {
        const Fate fate = object[static_cast<std::size_t>(box.raster(p))];
        for (int s = 0; s < 2; ++s) held[s] += id[p] == segments[s] && fate == Fate::held ? 1U : 0U;
        let_go += id[p] == segments[from] && fate == Fate::let_go ? 1U : 0U;
      });
      const auto share = [&](std::uint64_t voxels, int s) {
        return sizes[s] == 0 ? 0.0 : static_cast<double>(voxels) / static_cast<double>(sizes[s]);
      };
      if (share(held[from], from) < rule.recovery) continue;
      for (int s = 0; s < 2; ++s) result.recovered[from][s] = share(held[s], s);
      result.deleted[from] = share(let_go, from);
      fates[from] = std::move(object);
      break;
    }
    if (fates[from].empty()) return result;  // nothing recovers it: there is nothing to compare
  }
  std::uint64_t both = 0, either = 0;
  compared.for_each([&](Coord p) {
    const auto at = static_cast<std::size_t>(box.raster(p));
    const bool a = fates[0][at] == Fate::held, b = fates[1][at] == Fate::held;
    both += a && b ? 1U : 0U;
    either += a || b ? 1U : 0U;
  });
  result.iou = either == 0 ? 0.0 : static_cast<double>(both) / static_cast<double>(either);
  return result;
}

}  // namespace petavox::ffn
