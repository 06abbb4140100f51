#pragma once
// The interface of reductions over the Morton merge tree, as the executors see it: states are bytes.
// Reductions are written against the typed concept in petavox/reduce/reduction.hpp, which adapts them to
// this.
//
// Up the tree, a leaf absorbs its block's evidence and a node merges its children's states; both settle what
// can no longer change. Names travel up by assignments and their final values flow down again:
//   value(name at a child) = to                        if the node's assignment is settled,
//                          = value(to at this node)    otherwise, looked up in the parent.
// Promises asked of an implementation: what is observable (settled assignments, values, the summary) is the
// same for every guillotine tree over the domain; states in between need not be.

#include "petavox/stage/block.hpp"

#include <string>

namespace petavox {

/// What becomes of a name that a child passed up. A name that settles to itself is omitted; an unsettled one
/// is always listed.
struct NameAssignment {
  Name name = 0;              ///< in a child's state (at a leaf: in the block's label table)
  Name to = 0;                ///< its name in this node's state, or its final value if settled
  std::uint64_t settled = 0;  ///< 1: final
  friend bool operator==(const NameAssignment&, const NameAssignment&) = default;
  friend auto operator<=>(const NameAssignment&, const NameAssignment&) = default;
};

/// Where in the tree a piece of a reduction runs.
struct NodeContext {
  Box box;     ///< the voxels covered
  Box domain;  ///< the whole volume
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  std::size_t memory_bytes = std::size_t{1}
                             << 30;  ///< above this, states live in files (see petavox/reduce/spill.hpp)
  std::string scratch_dir{};         ///< for those files; empty: the system's temporary directory
  FaceMask open() const { return open_faces(box, domain); }
  bool root() const { return box == domain; }
};

struct ChildState {
  Box box;
  std::span<const std::byte> state;
};

struct NodeResult {
  Bytes state;                              ///< empty at the root
  std::vector<NameAssignment> assignments;  ///< sorted by name
  Bytes summary;                            ///< at the root, if the reduction has a summary port
};

class TreeReduction {
 public:
  virtual ~TreeReduction() = default;
  /// What leaves read. Writes: at most one labels port (the labels read by the first labels port, renamed by
  /// the settled values) and at most one summary port.
  virtual Contract contract(const Setup& setup) const = 0;
  virtual NodeResult leaf(const BlockInputs& inputs, const NodeContext& context) const = 0;
  /// Children in raster order of their positions; their boxes partition context.box.
  virtual NodeResult node(const std::vector<ChildState>& children, const NodeContext& context) const = 0;
};

}  // namespace petavox
