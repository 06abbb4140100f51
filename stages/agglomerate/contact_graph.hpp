#pragma once
// The graph that travels up the merge tree: what is still undecided inside a box.
// Plain arrays that spill; the order of nodes is that of names, hence the same for every history.

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

/// The graph of the joined box. With `connected`, throws Error{stage} for a supervoxel that is known in
/// one box only but begins in the other.
ContactGraph united(ContactGraph a, ContactGraph b, const Join& join, const ReductionContext& context,
                    bool connected = true);

void pack(const ContactGraph& graph, ByteWriter& writer);
/// Throws Error{io} if the bytes are not a packed graph.
ContactGraph unpack(ByteReader& reader, const ReductionContext& context);

}  // namespace petavox::agglomerate
