#include "stages/agglomerate/contact_graph.hpp"

#include "petavox/reduce/first_voxel.hpp"

#include <algorithm>

namespace petavox::agglomerate {
namespace {

constexpr std::size_t most_contacts = std::size_t{1} << 31;

[[noreturn]] void damaged(const std::string& what) {
  throw Error{ErrorCode::io,
              "a region graph " + what +
                  " (it is damaged or was not written by the stage region_graph); the object is "
                  "refused"};
}

/// Whether the mean of so many affinities is one.
bool possible(std::uint64_t sum, std::uint64_t count) {
  return count > 0 && sum < static_cast<uint128>(count) * (region_graph::affinity_one + 1);
}

void check_size(std::size_t contacts) {
  if (contacts >= most_contacts)
    throw Error{ErrorCode::resource,
                std::to_string(contacts) +
                    " contacts are undecided in one box (at most 2^31 - 1 can be held); use "
                    "coarser supervoxels or a higher threshold"};
}

/// A face of a part stays a face of the whole only if it was not closed by the join.
void close(SpillVector<Node>& nodes, FaceMask face) {
  for (Node& node : nodes) node.faces &= ~std::uint32_t{face};
}

/// Finds nodes by name. Names are places in the volume, spread evenly or in lumps: a name is looked for in
/// its stretch of the range of names, one node to a stretch on average.
class NameIndex {
 public:
  NameIndex(const SpillVector<Node>& nodes, const ReductionContext& context)
      : nodes_{nodes}, starts_{context.array<std::uint32_t>()} {
    if (nodes.empty()) return;
    least_ = nodes[0].name;
    while ((nodes.back().name - least_) >> shift_ > 2 * nodes.size()) ++shift_;
    starts_.resize(static_cast<std::size_t>((nodes.back().name - least_) >> shift_) + 2);
    for (const Node& node : nodes) ++starts_[stretch(node.name) + 1];
    for (std::size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  }
  /// The node of this name, or none.
  std::uint32_t find(Name name) const {
    if (!covers(name)) return none;
    const std::size_t at = stretch(name);
    const Node *first = nodes_.begin() + starts_[at], *last = nodes_.begin() + starts_[at + 1];
    constexpr std::ptrdiff_t few = 4;
    if (last - first > few)
      first = std::lower_bound(first, last, name,
                               [](const Node& node, Name wanted) { return node.name < wanted; });
    else
      while (first != last && first->name < name) ++first;
    return first != last && first->name == name ? static_cast<std::uint32_t>(first - nodes_.begin()) : none;
  }
  /// Fetches what find() will look at first, for the name that is to be found later, and then.
  void prefetch(Name soon, Name later) const {
    if (covers(later)) __builtin_prefetch(&starts_[stretch(later)]);
    if (covers(soon)) __builtin_prefetch(nodes_.begin() + starts_[stretch(soon)]);
  }
  static constexpr std::uint32_t none = 0xffffffffU;

 private:
  bool covers(Name name) const { return !nodes_.empty() && name >= least_ && name <= nodes_.back().name; }
  std::size_t stretch(Name name) const { return static_cast<std::size_t>((name - least_) >> shift_); }
  const SpillVector<Node>& nodes_;
  SpillVector<std::uint32_t> starts_;
  Name least_ = 0;
  int shift_ = 0;
};

/// Adds nodes for the names across the faces; contacts have `none` where their ends are.
void add_outside(ContactGraph& graph, SpillVector<Name> outside, std::span<const region_graph::Edge> edges,
                 const ReductionContext& context) {
  std::sort(outside.begin(), outside.end());
  outside.resize(static_cast<std::size_t>(std::unique(outside.begin(), outside.end()) - outside.begin()));
  auto nodes = context.array<Node>();
  nodes.reserve(graph.nodes.size() + outside.size());
  auto of_inside = context.array<std::uint32_t>(), of_outside = context.array<std::uint32_t>();
  of_inside.reserve(graph.nodes.size());
  of_outside.reserve(outside.size());
  for (std::size_t i = 0, j = 0; i < graph.nodes.size() || j < outside.size();) {
    const bool take_inside =
        j == outside.size() || (i < graph.nodes.size() && graph.nodes[i].name < outside[j]);
    (take_inside ? of_inside : of_outside).push_back(static_cast<std::uint32_t>(nodes.size()));
    nodes.push_back(take_inside ? graph.nodes[i++] : Node{outside[j++], 0, 0, 0});
  }
  const auto end_of = [&](std::uint32_t inside, Name name) {
    if (inside != NameIndex::none) return of_inside[inside];
    return of_outside[static_cast<std::size_t>(std::lower_bound(outside.begin(), outside.end(), name) -
                                               outside.begin())];
  };
  for (std::size_t i = 0; i < edges.size(); ++i) {
    graph.contacts[i].a = end_of(graph.contacts[i].a, edges[i].u);
    graph.contacts[i].b = end_of(graph.contacts[i].b, edges[i].v);
  }
  graph.nodes = std::move(nodes);
}

}  // namespace

ContactGraph graph_of_block(std::span<const region_graph::Edge> edges,
                            std::span<const region_graph::Node> nodes, const ReductionContext& context) {
  check_size(edges.size());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].name == 0 || (i > 0 && nodes[i].name <= nodes[i - 1].name)) damaged("has unsorted nodes");
  ContactGraph graph{context.array<Node>(), context.array<Contact>()};
  graph.nodes.reserve(nodes.size());
  for (const region_graph::Node& node : nodes)
    graph.nodes.push_back({node.name, node.voxels, static_cast<std::uint32_t>(node.faces & all_faces), 1});

  // Names of edges that are not nodes of this block lie across its faces.
  constexpr std::uint32_t none = NameIndex::none;
  auto outside = context.array<Name>();
  graph.contacts.reserve(edges.size());
  {
    const NameIndex index{graph.nodes, context};
    std::size_t u = 0;
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const region_graph::Edge& e = edges[i];
      if (i + 24 < edges.size()) index.prefetch(edges[i + 12].v, edges[i + 24].v);
      if (e.u == 0 || e.u >= e.v || !possible(e.sum, e.count)) damaged("has an impossible edge");
      if (i > 0 && (edges[i - 1].u > e.u || (edges[i - 1].u == e.u && edges[i - 1].v >= e.v)))
        damaged("has unsorted edges");
      while (u < nodes.size() && nodes[u].name < e.u) ++u;
      const bool inside = u < nodes.size() && nodes[u].name == e.u;
      const std::uint32_t v = index.find(e.v);
      if (!inside && (outside.empty() || outside.back() != e.u)) outside.push_back(e.u);
      if (v == none) outside.push_back(e.v);
      graph.contacts.push_back({inside ? static_cast<std::uint32_t>(u) : none, v, e.sum, e.count, e.key});
    }
  }
  if (!outside.empty()) add_outside(graph, std::move(outside), edges, context);
  return graph;
}

void not_connected(Name name, const Box& box) {
  throw Error{ErrorCode::stage,
              "supervoxel " + std::to_string(name) +
                  " has parts that do not touch, or is not called by its "
                  "first voxel, seen in box " +
                  to_string(box) +
                  " (its contacts would be counted apart); set connected: false, or run `components` first"};
}

JoinedNodes united_nodes(SpillVector<Node> a, SpillVector<Node> b, const Join& join,
                         const ReductionContext& context, bool connected) {
  close(a, join.face_of_a());
  close(b, join.face_of_b());
  JoinedNodes joined{context.array<Node>(), context.array<std::uint32_t>(), context.array<std::uint32_t>()};
  joined.nodes.reserve(a.size() + b.size());
  joined.of_a.reserve(a.size());
  joined.of_b.reserve(b.size());
  for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    const auto index = static_cast<std::uint32_t>(joined.nodes.size());
    const bool take_a = j == b.size() || (i < a.size() && a[i].name <= b[j].name);
    const bool take_b = i == a.size() || (j < b.size() && b[j].name <= a[i].name);
    Node node{take_a ? a[i].name : b[j].name, 0, 0, 0};
    const auto add = [&node](const Node& part) {
      node.voxels += part.voxels;
      node.faces |= part.faces;
      node.known |= part.known;
    };
    if (connected) {
      const bool known_a = take_a && a[i].known != 0, known_b = take_b && b[j].known != 0;
      if (known_a && !known_b && begins_in(node.name, join.b, join.domain)) not_connected(node.name, join.a);
      if (known_b && !known_a && begins_in(node.name, join.a, join.domain)) not_connected(node.name, join.b);
    }
    if (take_a) {
      add(a[i++]);
      joined.of_a.push_back(index);
    }
    if (take_b) {
      add(b[j++]);
      joined.of_b.push_back(index);
    }
    joined.nodes.push_back(node);
  }
  return joined;
}

ContactGraph united(ContactGraph a, ContactGraph b, const Join& join, const ReductionContext& context,
                    bool connected) {
  check_size(a.contacts.size() + b.contacts.size());
  JoinedNodes joined = united_nodes(std::move(a.nodes), std::move(b.nodes), join, context, connected);
  SpillVector<Contact> contacts =
      united_contacts(a.contacts, b.contacts, joined, context, [](const Contact& x, const Contact& y) {
        return Contact{x.a, x.b, x.sum + y.sum, x.count + y.count, std::min(x.key, y.key)};
      });
  return {std::move(joined.nodes), std::move(contacts)};
}

void check_nodes(const SpillVector<Node>& nodes, const ReductionContext& context, bool connected) {
  for (const Node& node : nodes) {
    if (context.root() && node.known == 0)
      throw Error{ErrorCode::io, "supervoxel " + std::to_string(node.name) +
                                     " is in the region graph but not in the labels (the two belong to "
                                     "different volumes); connect the region graph of these supervoxels"};
    if (connected && !is_incomplete(node, context.open()) &&
        !begins_in(node.name, context.box, context.domain))
      not_connected(node.name, context.box);
  }
}

void check_contacts(const SpillVector<Contact>& contacts, std::size_t num_nodes) {
  for (std::size_t i = 0; i < contacts.size(); ++i) {
    const Contact& c = contacts[i];
    if (c.a >= c.b || c.b >= num_nodes || !possible(c.sum, c.count)) damaged("has an impossible edge");
    if (i > 0 && !contact_before(contacts[i - 1], c)) damaged("has unsorted edges");
  }
}

void pack(const ContactGraph& graph, ByteWriter& writer) {
  writer.put_span(graph.nodes.span());
  writer.put_span(graph.contacts.span());
}

namespace {
template <class T>
SpillVector<T> unpack_array(ByteReader& reader, const ReductionContext& context) {
  const auto count = reader.get<std::uint64_t>();
  if (count > reader.remaining() / sizeof(T)) damaged("ends too early");
  auto array = context.array<T>();
  array.resize(static_cast<std::size_t>(count));
  const auto raw = reader.get_raw(array.size() * sizeof(T));
  if (!raw.empty()) std::memcpy(static_cast<void*>(array.data()), raw.data(), raw.size());
  return array;
}
}  // namespace

ContactGraph unpack(ByteReader& reader, const ReductionContext& context) {
  ContactGraph graph;
  graph.nodes = unpack_array<Node>(reader, context);
  graph.contacts = unpack_array<Contact>(reader, context);
  check_size(graph.contacts.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (graph.nodes[i].name == 0 || (i > 0 && graph.nodes[i].name <= graph.nodes[i - 1].name))
      damaged("has unsorted nodes");
  check_contacts(graph.contacts, graph.nodes.size());
  return graph;
}

}  // namespace petavox::agglomerate
