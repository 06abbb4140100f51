#pragma once
// The region graph of a block: for each pair of adjacent supervoxels, how many voxel edges join them and how
// strong these are. Plain functions on arrays; integers only, so blocks add up to the same graph in any
// order.
//
// A voxel edge joins v and v - 1 on axis k (0: z, 1: y, 2: x); its affinity is channel k at v, its global
// index is 3 * raster(v) + k with the raster of the domain. It belongs to the block that owns v.

#include "petavox/volume/label_array.hpp"
#include "petavox/volume/table.hpp"

#include "stages/region_graph/contact_table.hpp"

#include <span>
#include <vector>

namespace petavox::region_graph {

/// Affinities count in 1/65535 whatever their type: 8-bit values are multiplied by 257.
inline constexpr std::uint64_t affinity_one = 65535;

/// A row of the table `region_graph`: what a block (or any part of the volume) knows of the pair (u, v).
struct Edge {
  Name u = 0, v = 0;        ///< u < v
  std::uint64_t sum = 0;    ///< of the affinities of its voxel edges, in 1/65535
  std::uint64_t count = 0;  ///< of its voxel edges, at least 1
  std::uint64_t key = 0;    ///< the smallest global index of its voxel edges
  friend bool operator==(const Edge&, const Edge&) = default;
};
std::vector<Column> edge_columns();

/// A row of the table `region_nodes`: the part of a supervoxel inside a block's core.
struct Node {
  Name name = 0;
  std::uint64_t voxels = 0;
  std::uint64_t faces = 0;  ///< FaceMask of the core
  friend bool operator==(const Node&, const Node&) = default;
};
std::vector<Column> node_columns();
/// Those with a voxel in the core, sorted by name; `voxels`: of each local id, in the core.
std::vector<Node> nodes_of(const LabelArray& labels, const Box& core, std::span<const std::uint64_t> voxels);

/// Builds the graph of one block, slab by slab.
/// Memory besides the labels: 22 to 40 bytes for each pair of adjacent supervoxels, 12 for each supervoxel;
/// 40 more for each pair while edges() runs.
class Builder {
 public:
  /// `labels` cover the core and, where the domain goes on, one voxel below it on each axis. Kept by
  /// reference. Throws Error{contract} if they do not, Error{resource} for a core of 2^32 / 3 voxels or more.
  Builder(const LabelArray& labels, const Box& core, const Box& domain);

  /// Adds the voxel edges owned by the box of `affinities`: a part of the core, u8 or u16, three channels
  /// z,y,x. Each voxel of the core must be added exactly once. Throws Error{contract} on another type or box.
  void add(const Array& affinities);

  /// Sorted by (u, v), each pair once.
  std::vector<Edge> edges() const;
  /// Supervoxels with a voxel in the core, sorted by name.
  std::vector<Node> nodes() const;

 private:
  /// Of a row: which voxels differ from the one before, which are no background.
  struct RowBits {
    std::vector<std::uint64_t> starts, inside;
  };

  template <class T>
  void add_rows(const View<const T>& affinities);
  void find_bits(const std::uint32_t* row, std::size_t size, RowBits& bits) const;
  void count_voxels(const std::uint32_t* row, std::size_t size);
  /// Adds the edges between the row of here_ and a lower one, or along it.
  template <class T>
  void add_across(const std::uint32_t* row, const std::uint32_t* lower, const T* affinity, std::size_t size,
                  const RowBits& lower_bits, std::uint32_t key);
  template <class T>
  void add_along(const std::uint32_t* row, const T* affinity, std::size_t size, bool has_lower,
                 std::uint32_t key);
  /// From the domain's corner; `key` counts from the core's.
  template <class Rank>
  std::vector<Edge> edges_by(const Rank& rank) const;
  std::uint64_t global_key(std::uint32_t key) const;

  const LabelArray& labels_;
  Box core_, domain_;
  ContactTable contacts_;              // sums in the unit of the affinities' type, keys in the core's raster
  std::uint64_t unit_ = 1;             // of that type, in 1/65535
  std::vector<std::uint64_t> voxels_;  // of each local id, in the core
  // Scratch, a row each.
  RowBits here_, below_y_, below_z_;
  std::vector<std::uint64_t> edges_, breaks_;
  std::vector<Stretch> stretches_;
};

}  // namespace petavox::region_graph
