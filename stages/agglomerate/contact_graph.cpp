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

void check_size(std::size_t contacts) {
  if (contacts >= most_contacts)
    throw Error{ErrorCode::resource,
                std::to_string(contacts) +
                    " contacts are undecided in one box (at most 2^31 - 1 can be held); use "
                    "coarser supervoxels or a higher threshold"};
}

/// A face of a part stays a face of the whole only if it was not closed by the join.
void close(ContactGraph& graph, FaceMask face) {
  for (Node& node : graph.nodes) node.faces &= ~std::uint32_t{face};
}

/// Frees an array before its owner goes.
template <class T>
void release(SpillVector<T>& array) {
  array = SpillVector<T>{};
}

}  // namespace

ContactGraph graph_of_block(std::span<const region_graph::Edge> edges,
                            std::span<const region_graph::Node> nodes, const ReductionContext& context) {
  check_size(edges.size());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].name == 0 || (i > 0 && nodes[i].name <= nodes[i - 1].name)) damaged("has unsorted nodes");
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const region_graph::Edge& e = edges[i];
    if (e.u == 0 || e.u >= e.v || e.count == 0 || e.sum / e.count > region_graph::affinity_one)
      damaged("has an impossible edge");
    if (i > 0 && (edges[i - 1].u > e.u || (edges[i - 1].u == e.u && edges[i - 1].v >= e.v)))
      damaged("has unsorted edges");
  }
  // Names of edges that are not nodes of this block lie across its faces.
  auto outside = context.array<Name>();
  const auto known = [&](Name name) {
    const auto at = std::lower_bound(nodes.begin(), nodes.end(), name,
                                     [](const region_graph::Node& node, Name n) { return node.name < n; });
    return at != nodes.end() && at->name == name;
  };
  for (const region_graph::Edge& e : edges) {
    if ((outside.empty() || outside.back() != e.u) && !known(e.u)) outside.push_back(e.u);
    if (!known(e.v)) outside.push_back(e.v);
  }
  std::sort(outside.begin(), outside.end());
  const Name* outside_end = std::unique(outside.begin(), outside.end());

  ContactGraph graph{context.array<Node>(), context.array<Contact>()};
  graph.nodes.reserve(nodes.size() + static_cast<std::size_t>(outside_end - outside.begin()));
  auto node = nodes.begin();
  for (const Name* name = outside.begin(); name != outside_end || node != nodes.end();) {
    if (name == outside_end || (node != nodes.end() && node->name < *name)) {
      graph.nodes.push_back(
          {node->name, node->voxels, static_cast<std::uint32_t>(node->faces & all_faces), 1});
      ++node;
    } else {
      graph.nodes.push_back({*name++, 0, 0, 0});
    }
  }
  graph.contacts.reserve(edges.size());
  const auto index_of = [&](Name name) {
    const Node* at = std::lower_bound(graph.nodes.begin(), graph.nodes.end(), name,
                                      [](const Node& n, Name wanted) { return n.name < wanted; });
    return static_cast<std::uint32_t>(at - graph.nodes.begin());
  };
  std::uint32_t u = 0;
  for (const region_graph::Edge& e : edges) {
    while (graph.nodes[u].name < e.u) ++u;
    graph.contacts.push_back({u, index_of(e.v), e.sum, e.count, e.key});
  }
  return graph;
}

void not_connected(Name name, const Box& box) {
  throw Error{
      ErrorCode::stage,
      "supervoxel " + std::to_string(name) +
          " has parts that do not touch, or is not called by its "
          "first voxel, seen in box " +
          to_string(box) +
          " (its contacts would be counted apart); set agglomerate.connected: false, or run `components` "
          "first"};
}

ContactGraph united(ContactGraph a, ContactGraph b, const Join& join, const ReductionContext& context,
                    bool connected) {
  check_size(a.contacts.size() + b.contacts.size());
  close(a, join.face_of_a());
  close(b, join.face_of_b());
  ContactGraph whole{context.array<Node>(), context.array<Contact>()};

  whole.nodes.reserve(a.nodes.size() + b.nodes.size());
  auto to_whole_a = context.array<std::uint32_t>(), to_whole_b = context.array<std::uint32_t>();
  to_whole_a.reserve(a.nodes.size());
  to_whole_b.reserve(b.nodes.size());
  for (std::size_t i = 0, j = 0; i < a.nodes.size() || j < b.nodes.size();) {
    const auto index = static_cast<std::uint32_t>(whole.nodes.size());
    const bool take_a = j == b.nodes.size() || (i < a.nodes.size() && a.nodes[i].name <= b.nodes[j].name);
    const bool take_b = i == a.nodes.size() || (j < b.nodes.size() && b.nodes[j].name <= a.nodes[i].name);
    Node node{take_a ? a.nodes[i].name : b.nodes[j].name, 0, 0, 0};
    const auto add = [&node](const Node& part) {
      node.voxels += part.voxels;
      node.faces |= part.faces;
      node.known |= part.known;
    };
    if (connected) {
      const bool known_a = take_a && a.nodes[i].known != 0, known_b = take_b && b.nodes[j].known != 0;
      if (known_a && !known_b && begins_in(node.name, join.b, join.domain)) not_connected(node.name, join.a);
      if (known_b && !known_a && begins_in(node.name, join.a, join.domain)) not_connected(node.name, join.b);
    }
    if (take_a) {
      add(a.nodes[i++]);
      to_whole_a.push_back(index);
    }
    if (take_b) {
      add(b.nodes[j++]);
      to_whole_b.push_back(index);
    }
    whole.nodes.push_back(node);
  }
  release(a.nodes);
  release(b.nodes);

  // Renumbering keeps the order of contacts, because both numberings are in the order of names.
  whole.contacts.reserve(a.contacts.size() + b.contacts.size());
  const auto renumbered = [](Contact c, const SpillVector<std::uint32_t>& to_whole) {
    c.a = to_whole[c.a];
    c.b = to_whole[c.b];
    return c;
  };
  std::size_t i = 0, j = 0;
  while (i < a.contacts.size() && j < b.contacts.size()) {
    const Contact x = renumbered(a.contacts[i], to_whole_a), y = renumbered(b.contacts[j], to_whole_b);
    if (contact_before(x, y)) {
      whole.contacts.push_back(x);
      ++i;
    } else if (contact_before(y, x)) {
      whole.contacts.push_back(y);
      ++j;
    } else {
      whole.contacts.push_back({x.a, x.b, x.sum + y.sum, x.count + y.count, std::min(x.key, y.key)});
      ++i;
      ++j;
    }
  }
  for (; i < a.contacts.size(); ++i) whole.contacts.push_back(renumbered(a.contacts[i], to_whole_a));
  for (; j < b.contacts.size(); ++j) whole.contacts.push_back(renumbered(b.contacts[j], to_whole_b));
  return whole;
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
  for (std::size_t i = 0; i < graph.contacts.size(); ++i) {
    const Contact& c = graph.contacts[i];
    if (c.a >= c.b || c.b >= graph.nodes.size() || c.count == 0) damaged("has an impossible edge");
    if (i > 0 && !contact_before(graph.contacts[i - 1], c)) damaged("has unsorted edges");
  }
  return graph;
}

}  // namespace petavox::agglomerate
