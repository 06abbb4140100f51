#pragma once
// The contacts of a block while they are summed. Found through the later of their two ids: ids are numbered
// as they appear, so what lies side by side in the volume lies side by side here. An id has few earlier
// neighbours mostly: they are in a bucket of two cache lines, which one comparison of vectors searches. What
// does not fit in a chain of buckets is found by a hash, so that no number of neighbours is slow.
// Memory: 128 bytes a bucket of six contacts, 4 an id; 32 to 40 bytes for each contact that is hashed.
// Not synchronised.

#include "petavox/base/flat_map.hpp"

#include "stages/region_graph/contact_rows.hpp"

#include <cstdint>
#include <vector>

namespace petavox::region_graph {

class ContactTable {
 public:
  /// For ids up to `last_id`.
  explicit ContactTable(std::size_t last_id);

  /// For add_edges().
  OpenContacts open() { return {heads_.data(), buckets_.data(), this}; }

  /// The contact of u < v, added if it is new. Valid until the next call; may move the buckets.
  /// Throws Error{resource} for 2^31 contacts with ids that have many.
  ContactSum& find_or_insert(std::uint32_t u, std::uint32_t v);

  /// Calls f(u, v, sum) for each contact; those of one v that are not hashed together, in ascending order of
  /// v.
  template <class F>
  void for_each(F&& f) const {
    for (std::uint32_t v = 0; v < heads_.size(); ++v)
      for (std::uint32_t b = heads_[v]; b != 0; b = buckets_[b].next)
        for (std::size_t i = 0; i < ContactBucket::size && buckets_[b].earlier[i] != 0; ++i)
          f(buckets_[b].earlier[i], v, buckets_[b].sums[i]);
    for (const auto& [key, sum] : hashed_.entries())
      f(static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32), sum);
  }

 private:
  static constexpr int longest_chain = 3;
  std::uint32_t new_bucket();

  std::vector<std::uint32_t> heads_;
  std::vector<ContactBucket> buckets_;
  FlatMap<ContactSum> hashed_;  // by v and u
};

}  // namespace petavox::region_graph
