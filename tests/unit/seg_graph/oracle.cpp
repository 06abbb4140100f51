#include "oracle.hpp"

#include <algorithm>
#include <set>
#include <vector>

namespace petavox::oracle {
namespace {

/// The voxel below p on an axis.
Coord below(Coord p, int axis) {
  --p[axis];
  return p;
}

struct Edge {
  std::uint64_t affinity, index;
  Coord v, u;
  /// The strict order of watershed: strongest first, then smallest index.
  bool before(const Edge& o) const {
    return affinity != o.affinity ? affinity > o.affinity : index < o.index;
  }
};

std::vector<Edge> all_edges(const Array& affinities) {
  std::vector<Edge> edges;
  const Box domain = affinities.box();
  domain.for_each([&](Coord v) {
    for (int axis = 0; axis < 3; ++axis) {
      const Coord u = below(v, axis);
      if (!domain.contains(u)) continue;
      edges.push_back({affinity_at(affinities, axis, v),
                       3 * static_cast<std::uint64_t>(domain.raster(v)) + static_cast<std::uint64_t>(axis), v,
                       u});
    }
  });
  return edges;
}

struct Ranked {
  Contact contact;
  Pair pair;
  /// The strict order of linkage: greatest mean, then smallest key.
  bool operator<(const Ranked& o) const {
    const uint128 left = static_cast<uint128>(contact.sum) * o.contact.count;
    const uint128 right = static_cast<uint128>(o.contact.sum) * contact.count;
    return left != right ? left > right : contact.key < o.contact.key;
  }
};

}  // namespace

std::uint64_t affinity_at(const Array& affinities, int channel, Coord p) {
  return affinities.dtype() == DType::u8 ? affinities.view<std::uint8_t>().at(channel, p)
                                         : affinities.view<std::uint16_t>().at(channel, p);
}

Array watershed(const Array& affinities, std::uint64_t high, std::uint64_t low) {
  const Box domain = affinities.box();
  const std::vector<Edge> edges = all_edges(affinities);
  const auto size = static_cast<std::size_t>(domain.voxels());
  const auto at = [&](Coord p) { return static_cast<std::size_t>(domain.raster(p)); };
  std::vector<const Edge*> best(size, nullptr);
  for (const Edge& e : edges)
    for (const Coord p : {e.u, e.v})
      if (best[at(p)] == nullptr || e.before(*best[at(p)])) best[at(p)] = &e;
  // Components; the root of each is its smallest index.
  std::vector<std::size_t> label(size);
  for (std::size_t i = 0; i < size; ++i) label[i] = i;
  const auto root = [&](std::size_t i) {
    while (label[i] != i) i = label[i] = label[label[i]];
    return i;
  };
  for (const Edge& e : edges) {
    if (e.affinity < low) continue;
    if (e.affinity < high && best[at(e.u)] != &e && best[at(e.v)] != &e) continue;
    const std::size_t a = root(at(e.u)), b = root(at(e.v));
    label[std::max(a, b)] = std::min(a, b);
  }
  Array names{DType::u64, domain};
  const auto view = names.view<std::uint64_t>();
  domain.for_each([&](Coord p) {
    const Edge* e = best[at(p)];
    if (e != nullptr && e->affinity >= low) view[p] = root(at(p)) + 1;
  });
  return names;
}

Graph region_graph(const Array& names, const Array& affinities) {
  Graph graph;
  const auto view = names.view<std::uint64_t>();
  for (const Edge& e : all_edges(affinities)) {
    const Name a = view[e.u], b = view[e.v];
    if (a == 0 || b == 0 || a == b) continue;
    Contact& contact = graph[{std::min(a, b), std::max(a, b)}];
    contact.sum += e.affinity;
    ++contact.count;
    contact.key = std::min(contact.key, e.index);
  }
  return graph;
}

std::map<Name, Name> agglomerate(Graph graph, std::map<Name, std::uint64_t> sizes,
                                 const std::function<bool(const Contact&)>& at_least,
                                 const MayJoin& may_join) {
  std::map<Name, std::vector<Name>> members;
  for (const auto& [name, voxels] : sizes) members[name] = {name};
  std::map<Name, std::set<Name>> neighbours;
  std::set<Ranked> order;
  for (const auto& [pair, contact] : graph) {
    order.insert({contact, pair});
    neighbours[pair.first].insert(pair.second);
    neighbours[pair.second].insert(pair.first);
  }
  const auto forget = [&](const Pair& pair) {
    order.erase({graph.at(pair), pair});
    graph.erase(pair);
    neighbours[pair.first].erase(pair.second);
    neighbours[pair.second].erase(pair.first);
  };
  const auto learn = [&](const Pair& pair, const Contact& contact) {
    order.insert({contact, pair});
    graph[pair] = contact;
    neighbours[pair.first].insert(pair.second);
    neighbours[pair.second].insert(pair.first);
  };
  while (!order.empty() && at_least(order.begin()->contact)) {
    const Ranked best = *order.begin();
    forget(best.pair);
    auto [a, b] = best.pair;
    if (!may_join(best.contact, sizes.at(a), sizes.at(b))) continue;
    if (neighbours[a].size() < neighbours[b].size()) std::swap(a, b);  // fewer contacts to move
    sizes[a] += sizes.at(b);
    sizes.erase(b);
    members[a].insert(members[a].end(), members[b].begin(), members[b].end());
    members.erase(b);
    const std::set<Name> others = neighbours[b];
    for (const Name other : others) {
      const Pair from{std::min(b, other), std::max(b, other)}, to{std::min(a, other), std::max(a, other)};
      Contact sum = graph.at(from);
      forget(from);
      if (const auto there = graph.find(to); there != graph.end()) {
        const Contact& c = there->second;
        sum = {sum.sum + c.sum, sum.count + c.count, std::min(sum.key, c.key)};
        forget(to);
      }
      learn(to, sum);
    }
  }
  std::map<Name, Name> segment;
  for (const auto& [node, parts] : members)
    for (const Name part : parts) segment[part] = *std::min_element(parts.begin(), parts.end());
  return segment;
}

std::map<Name, Name> merge_small(const Graph& graph, const std::map<Name, std::uint64_t>& sizes,
                                 std::uint64_t min_voxels, const std::function<bool(const Contact&)>& good) {
  std::map<Name, Name> segment;
  std::map<Name, std::vector<Name>> members;
  std::map<Name, std::uint64_t> voxels = sizes;
  for (const auto& [name, size] : sizes) {
    segment[name] = name;
    members[name] = {name};
  }
  std::set<Ranked> order;
  for (const auto& [pair, contact] : graph) order.insert({contact, pair});
  for (const Ranked& next : order) {
    const Name a = segment.at(next.pair.first), b = segment.at(next.pair.second);
    if (a == b || !good(next.contact) || std::min(voxels[a], voxels[b]) >= min_voxels) continue;
    const Name to = std::min(a, b), from = std::max(a, b);
    for (const Name name : members[from]) {
      segment[name] = to;
      members[to].push_back(name);
    }
    voxels[to] += voxels[from];
  }
  return segment;
}

std::map<Name, std::uint64_t> sizes_of(const Array& names) {
  std::map<Name, std::uint64_t> sizes;
  const auto view = names.view<std::uint64_t>();
  names.box().for_each([&](Coord p) {
    if (view[p] != 0) ++sizes[view[p]];
  });
  return sizes;
}

Array renamed(const Array& names, const std::map<Name, Name>& to) {
  Array result = names.clone();
  const auto view = result.view<std::uint64_t>();
  result.box().for_each([&](Coord p) {
    if (view[p] != 0) view[p] = to.at(view[p]);
  });
  return result;
}

}  // namespace petavox::oracle
