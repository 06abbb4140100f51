#pragma once
// The inner loop of the region graph: edges between two rows of voxels, added to their contacts.
// Vectorised: petavox/base/simd.hpp; hence plain structures only.

#include <cstddef>
#include <cstdint>

namespace petavox::region_graph {

/// Sums over the voxel edges of a contact.
struct ContactSum {
  std::uint64_t sum = 0;
  std::uint32_t count = 0;
  std::uint32_t key = ~std::uint32_t{0};  ///< the least one

  void add(std::uint64_t affinities, std::uint32_t edges, std::uint32_t first) {
    sum += affinities;
    count += edges;
    if (first < key) key = first;
  }
};

/// Contacts of one id v with earlier ids.
struct alignas(64) ContactBucket {
  static constexpr std::size_t size = 6;
  std::uint32_t earlier[size] = {};  ///< the ids; 0 where none is yet, and none comes after that
  std::uint32_t next = 0;            ///< the bucket to look at next; 0: none
  std::uint32_t unused = 0;
  ContactSum sums[size];
};

class ContactTable;

/// What the inner loop sees of a ContactTable.
struct OpenContacts {
  const std::uint32_t* heads;  ///< the first bucket of each id; bucket 0 is of no id and stays empty
  ContactBucket* buckets;
  ContactTable* table;

  /// The contact of u < v, added if it is new; may move the buckets. Never inline: what it allocates is
  /// compiled once, for every machine.
  ContactSum& find_or_insert(std::uint32_t u, std::uint32_t v);
};

/// Two rows of ids, the affinities of the edges between them, and which of these count: bit i of `edges` for
/// that of voxel i; none of the two ids is 0 there. Where bit i of `breaks` is clear, both ids are those of
/// voxel i - 1.
template <class T>
struct EdgeRow {
  const std::uint32_t* higher;
  const std::uint32_t* lower;
  const T* affinity;
  const std::uint64_t* edges;
  const std::uint64_t* breaks;
  std::size_t size;   ///< voxels
  std::uint32_t key;  ///< of the edge of voxel 0; that of voxel i is 3 i more
};

/// Edges of one contact that follow each other.
struct Stretch {
  std::uint32_t begin, size;
};

/// `scratch`: as many as the row has voxels.
void add_edges(const EdgeRow<std::uint8_t>& row, Stretch* scratch, OpenContacts& contacts);
void add_edges(const EdgeRow<std::uint16_t>& row, Stretch* scratch, OpenContacts& contacts);

}  // namespace petavox::region_graph
