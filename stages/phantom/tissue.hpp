#pragma once
// Who is where in lattice space: chains of nodes on rods, the links that make trees of them, and their
// labels.
//
// A rod carries up to five slots: 0 in the middle and four round it, facing the directions +b, +c, -b, -c.
// Slot 0 is one chain, an axon or trunk through the whole volume. The other slots are cut into chains of 2 to
// 16 nodes, each of which is a branch of slot 0 beside it, a branch of what it faces on a crossing rod, or an
// object of its own. Whose branch a chain is follows from hashes of at most two further chains, so a label is
// found in bounded time wherever one looks.
//
// Space belongs to the tube (a chain's segments between nodes, with their radii) whose surface is nearest.
// Every point of a tube's territory is joined to its centre line by a straight segment inside the territory,
// so a chain is connected as long as no centre line lies inside a foreign tube; the distances and radii here
// see to that. Immutable, hence thread-safe.

#include "stages/phantom/deformation.hpp"
#include "stages/phantom/phantom.hpp"

#include <vector>

namespace petavox::phantom {

enum class ChainKind { neurite, dendrite, axon_with_myelin, vessel, sheath };

/// Nodes first..last of a slot. For chains without ends first is 0 and last is meaningless.
struct Chain {
  Rod rod;
  int slot = 0;
  bool endless = true;
  Int first = 0, last = 0;
};

/// Slots beyond the five: sheets round a whole rod and round a soma.
inline constexpr int rod_sheath = 5, soma_sheath = 6, num_slots = 7;

struct Node {
  Rod rod;
  int slot = 0;
  Int m = 0;
  friend bool operator==(const Node&, const Node&) = default;
};

/// Where a chain branches off another: its node `own` is joined to node `other`.
struct Link {
  Node own, other;
};

class Tissue {
 public:
  explicit Tissue(const PhantomSpec& spec);
  Tissue(const Tissue&) = delete;
  Tissue& operator=(const Tissue&) = delete;

  const PhantomSpec& spec() const { return spec_; }
  const Organs& organs() const { return organs_; }
  const Deformation& deformation() const { return deformation_; }
  std::uint64_t seed() const { return seed_; }

  /// Tissue coordinate of the middle of a voxel, without section jitter, and the size of a voxel.
  Vec middle(const Coord& voxel) const;
  const Vec& voxel_units() const { return voxel_units_; }
  /// Shift in y and x of a section, in units.
  std::array<double, 2> jitter(Index section) const;

  bool has_slot(const Rod& rod, int slot) const;
  bool has_node(const Node& node) const;
  /// The piece between nodes m and m + 1 of a slot exists.
  bool has_segment(const Node& node) const;
  Chain chain_of(const Node& node) const;
  ChainKind kind_of(const Rod& rod, int slot) const;
  std::optional<Link> link_of(const Chain& chain) const;
  /// The chain that this one is a branch of, in the end; often itself.
  Chain trunk_of(const Chain& chain) const;
  std::uint64_t label_of(const Chain& chain) const { return own_label(trunk_of(chain)); }
  /// A random word that all branches of a trunk share, and that does not depend on the shape of the volume.
  std::uint64_t looks(const Chain& trunk) const;
  /// A label that no other chain has.
  std::uint64_t own_label(const Chain& chain) const;

  /// What a slot meets at a crossing: the node of the rod that passes in direction `slot` (1..4) at node m.
  /// Its slot is the one that faces back, or the middle one where that is missing. m must fit the direction:
  /// even for 1 and 3, odd for 2 and 4.
  Node across(const Rod& rod, int slot, Int m) const;
  /// The slot that faces direction `slot` at node m, or the middle one where that is missing.
  Node facing(const Rod& rod, int slot, Int m) const;
  static bool crosses(int slot, Int m) { return (slot % 2 == 1) == (m % 2 == 0); }

  Vec position(const Node& node) const;
  double radius(const Node& node) const;
  /// A random word for a node and a purpose.
  std::uint64_t word(const Node& node, int purpose) const;
  /// Unique in the volume, positive, the same in each call: labels are numbers of nodes, too.
  std::uint64_t number(const Node& node) const;

  /// A synapse between slots at a node, if there is one.
  struct Contact {
    Node pre, post;
    Vec position;      ///< in lattice space, where the two surfaces meet
    Vec towards_post;  ///< unit vector
    double radius;     ///< of the patch, in units
    std::uint64_t id;
  };
  /// The contact between a slot (1..4) and what it faces (across = true) or the middle of its rod.
  std::optional<Contact> contact(const Rod& rod, int slot, Int m, bool across) const;

 private:
  bool link_possible(const Node& node) const;
  PhantomSpec spec_;
  std::uint64_t seed_;
  Organs organs_;
  Deformation deformation_;
  Vec voxel_units_;
  // The range of nodes that the domain can touch, in each direction.
  std::array<Int, 3> low_{};
  std::array<std::uint64_t, 3> num_nodes_{};
};

/// Calls f(rod) for each rod whose axis is within `margin` of the box low..high of lattice space.
template <class F>
void for_each_rod(const Vec& low, const Vec& high, double margin, F&& f) {
  for (int axis = 0; axis < 3; ++axis) {
    Rod rod{axis, 0, 0};
    const std::size_t b = axis_b(rod), c = axis_c(rod);
    const auto first = [&](double x) { return static_cast<Int>(std::ceil(x / rod_spacing)); };
    const auto last = [&](double x) { return static_cast<Int>(std::floor(x / rod_spacing)); };
    for (rod.i = first(low[b] - margin); rod.i <= last(high[b] + margin); ++rod.i)
      for (rod.j = first(low[c] - margin - rod_spacing / 2);
           rod.j <= last(high[c] + margin - rod_spacing / 2); ++rod.j)
        f(rod);
  }
}

}  // namespace petavox::phantom
