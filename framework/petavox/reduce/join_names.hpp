#pragma once
// The reduction that gives objects cut by blocks one name: fragments (the objects of one block) are joined
// across seams, and the smallest name of a set becomes the name of all.
//
// State of a box, all flat sorted arrays:
//   roots    names of the sets that may still grow;
//   members  fragments that something outside the box may refer to: those that touch an open face, with their
//            set and the faces through which they can be reached;
//   pending  joins of a set with a fragment outside the box.
// A fragment's name is its first voxel, so a pending join can be resolved as soon as that voxel is in the
// box. When two boxes meet, the common face closes; a set without a member that can be reached settles to its
// smallest name. The state is linear in the number of fragments at the open faces.
// Merges stream through the arrays, which lie packed (4 to 7 bytes a member, its root included), except for
// the union-find, which has one number per root.

#include "petavox/reduce/packed_rows.hpp"

#include <span>
#include <vector>

namespace petavox {

/// The laws and the arithmetic; what leaves read is up to the derived reduction.
class JoinNames {
 public:
  /// A fragment of a leaf and the faces of the leaf through which others may refer to it.
  struct Fragment {
    Name name = 0;
    std::uint64_t faces = 0;
  };
  /// A join of a fragment of the leaf with one outside it.
  struct Pair {
    Name own = 0, other = 0;
    friend bool operator==(const Pair&, const Pair&) = default;
    friend auto operator<=>(const Pair&, const Pair&) = default;
  };

  struct Member {
    Name name = 0;
    std::uint64_t root_and_faces = 0;  ///< index into roots << 6 | faces
    std::uint64_t root() const { return root_and_faces >> 6; }
    FaceMask faces() const { return static_cast<FaceMask>(root_and_faces & all_faces); }
  };
  struct Pending {
    Name other = 0;
    std::uint64_t root = 0;  ///< index into roots
    friend bool operator==(const Pending&, const Pending&) = default;
    friend auto operator<=>(const Pending&, const Pending&) = default;
  };
  struct State {
    PackedRows<Name> roots;       ///< ascending
    PackedRows<Member> members;   ///< ascending by name, each name once
    PackedRows<Pending> pending;  ///< ascending, each once
  };

  /// The state of a leaf. Fragments in any order, several entries of one name are combined; faces that are
  /// not open are ignored. A fragment of a pair must be among them, with an open face. Fragments without an
  /// open face settle to themselves.
  static State leaf_state(std::span<const Fragment> fragments, std::span<const Pair> pairs,
                          const ReductionContext& context);

  State merge(State a, State b, const Join& join, const ReductionContext& context,
              NameChanges& changes) const;
  void settle(State& state, const ReductionContext& context, NameChanges& changes) const;
  Bytes finish(State, const ReductionContext&) const { return {}; }
  const PackedRows<Name>& open_names(const State& state) const { return state.roots; }
  void pack(const State& state, ByteWriter& writer) const;
  /// Throws Error{io} if the bytes cannot be a state.
  State unpack(ByteReader& reader, const ReductionContext& context) const;
};

/// A voxel pair across the lower faces of a block whose two voxels belong to one object: the row of the table
/// from which JoinFragments learns what to join.
struct JoinRow {
  std::uint64_t lower_voxel = 0;  ///< raster index in the domain of the voxel outside the block
  std::uint64_t own_name = 0;     ///< fragment of the voxel inside
};
/// The columns of a table of JoinRows.
std::vector<Column> join_row_columns();

/// JoinNames for fragments that a map step wrote as labels, with a table of JoinRows.
class JoinFragments : public JoinNames {
 public:
  struct Ports {
    std::string labels = "fragments";  ///< read: names are first voxels in the core
    std::string joins = "joins";       ///< read: JoinRows
    std::string out;                   ///< written: the labels, renamed
    bool diagonals = false;            ///< lower voxels may be in edge and corner neighbours too
  };
  explicit JoinFragments(Ports ports) : ports_{std::move(ports)} {}
  Contract contract(const Setup& setup) const;
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges& changes) const;

 private:
  Ports ports_;
};

}  // namespace petavox
