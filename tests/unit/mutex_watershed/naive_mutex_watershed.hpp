#pragma once
// The mutex watershed read out loud from its definition (docs/invariance.md): for the tests only, slow and
// plain.

#include "petavox/testing/random_inputs.hpp"

#include "stages/mutex_watershed/kernel.hpp"

#include <map>
#include <set>

namespace petavox::oracle {

/// Names of the segments of a window: 1 + the raster index in the domain of the first voxel; 0 outside the
/// mask.
inline Array naive_mutex_watershed(const Array& affinities, const Array* mask,
                                   const mutex_watershed::Graph& graph) {
  const Box window = affinities.box();
  const std::int64_t full = affinities.dtype() == DType::u8 ? 255 : 65535;
  const auto value = [&](int k, Coord p) -> std::int64_t {
    return affinities.dtype() == DType::u8 ? std::int64_t{affinities.view<std::uint8_t>().at(k, p)}
                                           : std::int64_t{affinities.view<std::uint16_t>().at(k, p)};
  };
  const auto inside = [&](Coord p) {
    return window.contains(p) && (mask == nullptr || mask->view<std::uint8_t>()[p] != 0);
  };
  struct Edge {
    std::int64_t weight, index;
    bool attracts;
    Coord v, u;
  };
  std::vector<Edge> edges;
  const Coord corner = affinities.domain().begin;
  for (int k = 0; k < static_cast<int>(graph.offsets.size()); ++k)
    window.for_each([&](Coord v) {
      const Coord u = v + graph.offsets[static_cast<std::size_t>(k)];
      if (!inside(v) || !inside(u)) return;
      const bool attracts = k < graph.num_attractive;
      const std::int64_t a = value(k, v);
      if (attracts && a < graph.threshold) return;
      for (int axis = 0; axis < 3; ++axis)
        if (!attracts && (v[axis] - corner[axis]) % graph.strides[axis] != 0) return;
      edges.push_back({attracts ? a : full - a + graph.repulsive_bias,
                       k * affinities.domain().voxels() + affinities.domain().raster(v), attracts, v, u});
    });
  std::ranges::sort(edges, [](const Edge& a, const Edge& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.index < b.index;
  });
  std::map<Coord, int> cluster;
  std::map<int, std::vector<Coord>> members;
  std::set<std::pair<int, int>> apart;
  int next = 0;
  window.for_each([&](Coord p) {
    if (!inside(p)) return;
    cluster[p] = next;
    members[next++] = {p};
  });
  for (const Edge& e : edges) {
    const int a = cluster[e.v], b = cluster[e.u];
    if (a == b) continue;
    if (!e.attracts) {
      apart.insert({a, b});
      apart.insert({b, a});
    } else if (!apart.contains({a, b})) {
      for (const Coord p : members[b]) {
        cluster[p] = a;
        members[a].push_back(p);
      }
      members.erase(b);
      const auto before = apart;
      for (const auto& [x, y] : before)
        if (x == b || y == b) {
          apart.erase({x, y});
          apart.insert({x == b ? a : x, y == b ? a : y});
        }
    }
  }
  Array names{DType::u64, window, affinities.domain()};
  std::map<int, Name> name;
  window.for_each([&](Coord p) {
    if (!inside(p)) return;
    const auto [entry, added] = name.try_emplace(cluster[p], name_of_voxel(affinities.domain(), p));
    names.view<std::uint64_t>()[p] = entry->second;
  });
  return names;
}

/// Offsets within `reach`, none zero: the three nearest neighbours first, unless `free`.
inline mutex_watershed::Graph random_graph(testing::Random& random, DType type, bool free) {
  mutex_watershed::Graph graph;
  const auto within = [&](Index reach) {
    return static_cast<Index>(random.below(static_cast<std::uint64_t>(2 * reach + 1))) - reach;
  };
  if (free) {
    graph.num_attractive = static_cast<int>(random.below(5));
  } else {
    graph.offsets = {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
  }
  const std::size_t channels = static_cast<std::size_t>(std::max(graph.num_attractive, 1)) + random.below(7);
  while (graph.offsets.size() < channels) {
    const Extent offset{within(3), within(3), within(4)};
    if (offset != Extent{0, 0, 0}) graph.offsets.push_back(offset);
  }
  const auto stride = [&] { return 1 + static_cast<Index>(random.below(3)); };
  if (random.below(2) == 0) graph.strides = {stride(), stride(), stride()};
  const std::int32_t full = type == DType::u8 ? 255 : 65535;
  if (random.below(3) == 0) graph.threshold = full / 3;
  if (random.below(3) == 0)
    graph.repulsive_bias =
        static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(full))) - full / 2;
  return graph;
}

}  // namespace petavox::oracle
