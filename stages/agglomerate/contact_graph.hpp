#pragma once
// The graph that travels up the merge tree: what is still undecided inside a box.
// Plain arrays that spill; the order of nodes is that of names, hence the same for every history.

#include "petavox/base/uint128.hpp"
#include "petavox/reduce/reduction.hpp"

#include "stages/region_graph/region_graph.hpp"

#include <span>

namespace petavox::agglomerate {

/// A segment, or the part of a supervoxel that lies in a box.
struct Node {
  Name name = 0;  ///< the least name of its supervoxels
  std::uint64_t voxels = 0;
  std::uint32_t faces = 0;  ///< FaceMask of the box
  /// 0: only seen from across a face; its voxels are elsewhere.
  std::uint32_t known = 0;
  friend bool operator==(const Node&, const Node&) = default;
};

/// The contact of two nodes (indices): sums over all their voxel edges known in the box.
struct Contact {
  std::uint32_t a = 0, b = 0;
  std::uint64_t sum = 0, count = 0, key = 0;
  friend bool operator==(const Contact&, const Contact&) = default;
};
constexpr bool contact_before(const Contact& x, const Contact& y) {
  return x.a != y.a ? x.a < y.a : x.b < y.b;
}

/// The order of linkage: the greater mean, then the smaller key. Exact.
inline bool better(const Contact& x, const Contact& y) {
  const uint128 left = static_cast<uint128>(x.sum) * y.count, right = static_cast<uint128>(y.sum) * x.count;
  return left != right ? left > right : x.key < y.key;
}

struct ContactGraph {
  SpillVector<Node> nodes;        ///< sorted by name, distinct
  SpillVector<Contact> contacts;  ///< a < b; each pair once; sorted by (a, b)
};

/// The graph of one block. `edges` sorted by (u, v), `nodes` by name, each once.
/// Throws Error{io} if they are not, Error{resource} for 2^31 edges or more.
ContactGraph graph_of_block(std::span<const region_graph::Edge> edges,
                            std::span<const region_graph::Node> nodes, const ReductionContext& context);

/// Throws Error{stage}: supervoxel `name` has parts that do not touch, one of them in `box`.
[[noreturn]] void not_connected(Name name, const Box& box);

/// The nodes of a joined box, and where those of its two parts are among them.
struct JoinedNodes {
  SpillVector<Node> nodes;
  SpillVector<std::uint32_t> of_a, of_b;
};
/// With `connected`, throws Error{stage} for a supervoxel that is known in one box only but begins in the
/// other.
JoinedNodes united_nodes(SpillVector<Node> a, SpillVector<Node> b, const Join& join,
                         const ReductionContext& context, bool connected);

/// The contacts of both parts between the joined nodes; combine(x, y) where both have one for the same pair.
template <class Combine>
SpillVector<Contact> united_contacts(const SpillVector<Contact>& a, const SpillVector<Contact>& b,
                                     const JoinedNodes& joined, const ReductionContext& context,
                                     Combine&& combine) {
  auto whole = context.array<Contact>();
  whole.reserve(a.size() + b.size());
  const auto renumbered = [](Contact c, const SpillVector<std::uint32_t>& to_whole) {
    c.a = to_whole[c.a];
    c.b = to_whole[c.b];
    return c;
  };
  // Renumbering keeps the order of contacts, because both numberings are in the order of names.
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    const Contact x = renumbered(a[i], joined.of_a), y = renumbered(b[j], joined.of_b);
    const bool x_first = contact_before(x, y), y_first = contact_before(y, x);
    whole.push_back(x_first ? x : y_first ? y : combine(x, y));
    i += y_first ? 0 : 1;
    j += x_first ? 0 : 1;
  }
  for (; i < a.size(); ++i) whole.push_back(renumbered(a[i], joined.of_a));
  for (; j < b.size(); ++j) whole.push_back(renumbered(b[j], joined.of_b));
  return whole;
}

/// The graph of the joined box; `connected` as above.
ContactGraph united(ContactGraph a, ContactGraph b, const Join& join, const ReductionContext& context,
                    bool connected = true);

/// Throws Error{io} for the root of a tree if a node is not known: its supervoxel is nowhere in the labels.
/// With `connected`, Error{stage} for a complete node that does not begin in the box.
void check_nodes(const SpillVector<Node>& nodes, const ReductionContext& context, bool connected);
/// Whether more of the node may lie outside the box.
inline bool is_incomplete(const Node& node, FaceMask open) {
  return node.known == 0 || (node.faces & open) != 0;
}

/// Throws Error{io} if there is an end that is no node, or contacts are not sorted, each pair once.
void check_contacts(const SpillVector<Contact>& contacts, std::size_t num_nodes);
void pack(const ContactGraph& graph, ByteWriter& writer);
/// Throws Error{io} if the bytes are not a packed graph.
ContactGraph unpack(ByteReader& reader, const ReductionContext& context);

}  // namespace petavox::agglomerate
