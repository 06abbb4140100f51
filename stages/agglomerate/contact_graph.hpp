#pragma once
// The graph that travels up the merge tree: what is still undecided inside a box.
// Plain data and functions; the order of nodes is that of names, hence the same for every history.

#include "petavox/geometry/box.hpp"

#include "stages/region_graph/region_graph.hpp"

#include <span>
#include <vector>

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

/// The contact of nodes a and b (indices): sums over all their voxel edges known in the box.
struct Contact {
  std::uint32_t a = 0, b = 0;
  std::uint64_t sum = 0, count = 0, key = 0;
  friend bool operator==(const Contact&, const Contact&) = default;
};

struct ContactGraph {
  std::vector<Node> nodes;        ///< sorted by name, distinct
  std::vector<Contact> contacts;  ///< a < b; each pair once; sorted by (a, b)

  /// The graph of one block. Throws Error{io} if the tables are not sorted or not of this form.
  static ContactGraph of_block(std::span<const region_graph::Edge> edges,
                               std::span<const region_graph::Node> nodes);
};

/// A part of a larger box.
struct Part {
  Box box;
  ContactGraph graph;
};
/// The graph of a box from the graphs of boxes that partition it. Consumes the parts one by one.
ContactGraph united(std::vector<Part>&& parts, const Box& box);

Bytes pack(const ContactGraph& graph);
/// Throws Error{io} if the bytes are not a packed graph.
ContactGraph unpack(std::span<const std::byte> bytes);

}  // namespace petavox::agglomerate
