#include "stages/region_graph/contact_table.hpp"

#include "petavox/volume/huge_pages.hpp"

#include <algorithm>
#include <span>

namespace petavox::region_graph {

ContactTable::ContactTable(std::size_t last_id) : heads_(last_id + 1) {
  // Address space, not memory: nearly every id gets a bucket, and moving them costs as much as filling them.
  constexpr std::size_t most = std::size_t{1} << 22;
  buckets_.reserve(std::min(last_id + last_id / 4, most) + 1);
  prefer_huge_pages(std::as_writable_bytes(std::span{buckets_.data(), buckets_.capacity()}));
  buckets_.emplace_back();
}

std::uint32_t ContactTable::new_bucket() {
  buckets_.emplace_back();
  return static_cast<std::uint32_t>(buckets_.size() - 1);
}

ContactSum& ContactTable::find_or_insert(std::uint32_t u, std::uint32_t v) {
  if (heads_[v] == 0) heads_[v] = new_bucket();
  std::uint32_t at = heads_[v];
  for (int passed = 1;; ++passed) {
    ContactBucket& bucket = buckets_[at];
    for (std::size_t i = 0; i < ContactBucket::size; ++i) {
      if (bucket.earlier[i] == 0) bucket.earlier[i] = u;
      if (bucket.earlier[i] == u) return bucket.sums[i];
    }
    if (bucket.next == 0) {
      if (passed == longest_chain) return hashed_[static_cast<std::uint64_t>(v) << 32 | u];
      const std::uint32_t added = new_bucket();
      buckets_[at].next = added;
    }
    at = buckets_[at].next;
  }
}

ContactSum& OpenContacts::find_or_insert(std::uint32_t u, std::uint32_t v) {
  ContactSum& sum = table->find_or_insert(u, v);
  *this = table->open();
  return sum;
}

}  // namespace petavox::region_graph
