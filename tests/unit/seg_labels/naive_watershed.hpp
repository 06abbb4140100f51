#pragma once
// The watershed read out loud from its definition (docs/invariance.md): for the tests only, slow and plain.

#include "petavox/volume/label_array.hpp"

#include <map>
#include <optional>
#include <set>
#include <vector>

namespace petavox::oracle {

/// Names of the supervoxels over the domain (affinities.box()); thresholds on the integer scale.
inline Array naive_watershed(const Array& affinities, const Array* mask, std::int64_t low,
                             std::int64_t high) {
  const Box domain = affinities.box();
  const auto inside = [&](Coord p) {
    return domain.contains(p) && (mask == nullptr || mask->view<std::uint8_t>()[p] != 0);
  };
  const auto affinity = [&](int k, Coord p) -> std::int64_t {
    return affinities.dtype() == DType::u8 ? std::int64_t{affinities.view<std::uint8_t>().at(k, p)}
                                           : std::int64_t{affinities.view<std::uint16_t>().at(k, p)};
  };
  struct Edge {
    std::int64_t affinity, index;
    Coord lower, higher;
  };
  const auto before = [](const Edge& a, const Edge& b) {
    return a.affinity != b.affinity ? a.affinity > b.affinity : a.index < b.index;
  };
  std::vector<Edge> edges;
  domain.for_each([&](Coord v) {
    for (int k = 0; k < 3; ++k) {
      Coord u = v;
      u[k] -= 1;
      if (inside(v) && inside(u)) edges.push_back({affinity(k, v), 3 * domain.raster(v) + k, u, v});
    }
  });
  std::map<Coord, Edge> best;
  for (const Edge& e : edges)
    for (const Coord v : {e.lower, e.higher}) {
      const auto [entry, added] = best.try_emplace(v, e);
      if (!added && before(e, entry->second)) entry->second = e;
    }
  std::map<Coord, std::vector<Coord>> joined;
  for (const Edge& e : edges) {
    const bool is_best = best.at(e.lower).index == e.index || best.at(e.higher).index == e.index;
    if (e.affinity >= high || (e.affinity >= low && is_best)) {
      joined[e.lower].push_back(e.higher);
      joined[e.higher].push_back(e.lower);
    }
  }
  Array names{DType::u64, domain};
  const auto name = names.view<std::uint64_t>();
  domain.for_each([&](Coord start) {
    const auto found = best.find(start);
    if (name[start] != 0 || found == best.end() || found->second.affinity < low) return;
    std::vector<Coord> front{start};
    name[start] = static_cast<Name>(domain.raster(start)) + 1;
    while (!front.empty()) {
      const Coord p = front.back();
      front.pop_back();
      for (const Coord q : joined[p])
        if (name[q] == 0) {
          name[q] = name[start];
          front.push_back(q);
        }
    }
  });
  return names;
}

}  // namespace petavox::oracle
