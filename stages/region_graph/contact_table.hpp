#pragma once
// The contacts of a block while they are summed. Found through the later of their two ids: ids are numbered
// as they appear, so what lies side by side in the volume lies side by side here. An id has few earlier
// neighbours mostly: a short chain; from the ninth on they are found by a hash, so that no number of
// neighbours is slow. Memory: 32 bytes a contact, 4 an id, and 8 to 16 for each contact of an id with more
// than 8 earlier neighbours. Not synchronised.

#include "petavox/base/error.hpp"
#include "petavox/base/hash.hpp"

#include <cstdint>
#include <vector>

namespace petavox::region_graph {

class ContactTable {
 public:
  /// Sums over the voxel edges between ids u < v.
  struct Entry {
    std::uint64_t sum = 0;
    std::uint64_t key = ~std::uint64_t{0};
    std::uint32_t count = 0;
    std::uint32_t u = 0, v = 0;
    std::uint32_t next = none;  ///< of the same v
  };

  /// For ids up to `last_id`.
  explicit ContactTable(std::size_t last_id) : heads_(last_id + 1, none) {}

  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>& entries() { return entries_; }
  bool holds(std::uint32_t at, std::uint32_t u, std::uint32_t v) const {
    return at < entries_.size() && entries_[at].u == u && entries_[at].v == v;
  }

  /// Three steps of fetching what find_or_insert(u, v) will read; the last reads what the first has fetched.
  void prefetch_id(std::uint32_t v) const { __builtin_prefetch(&heads_[v]); }
  void prefetch_entry(std::uint32_t at) const {
    if (at < entries_.size()) __builtin_prefetch(&entries_[at], 1);
  }
  void prefetch_contact(std::uint32_t u, std::uint32_t v) const {
    const std::uint32_t head = heads_[v];
    if (head == hashed)
      __builtin_prefetch(&slots_[home(u, v)]);
    else
      prefetch_entry(head);
  }

  /// The place of the contact of u < v in entries(), added if it is new.
  /// Throws Error{resource} for 2^32 - 2 contacts.
  std::uint32_t find_or_insert(std::uint32_t u, std::uint32_t v) {
    if (heads_[v] == hashed) return find_or_insert_hashed(u, v);
    int passed = 0;
    for (std::uint32_t at = heads_[v]; at != none; at = entries_[at].next, ++passed)
      if (entries_[at].u == u) return at;
    if (passed == longest_chain) {
      for (std::uint32_t at = heads_[v]; at != none; at = entries_[at].next) insert_hashed(at);
      heads_[v] = hashed;
      return find_or_insert_hashed(u, v);
    }
    const std::uint32_t at = append(u, v);
    entries_[at].next = heads_[v];
    heads_[v] = at;
    return at;
  }

 private:
  static constexpr std::uint32_t none = 0xffffffffU, hashed = 0xfffffffeU;
  static constexpr int longest_chain = 8;

  std::uint32_t append(std::uint32_t u, std::uint32_t v) {
    if (entries_.size() >= hashed)
      throw Error{ErrorCode::resource,
                  "a block has 2^32 - 2 pairs of adjacent supervoxels (they cannot be counted in memory); "
                  "use smaller "
                  "blocks"};
    Entry entry;
    entry.u = u;
    entry.v = v;
    entries_.push_back(entry);
    return static_cast<std::uint32_t>(entries_.size() - 1);
  }

  std::size_t home(std::uint32_t u, std::uint32_t v) const {
    return static_cast<std::size_t>(mix64(static_cast<std::uint64_t>(v) << 32 | u)) & (slots_.size() - 1);
  }
  std::uint32_t find_or_insert_hashed(std::uint32_t u, std::uint32_t v) {
    std::size_t at = home(u, v);
    for (; slots_[at] != none; at = (at + 1) & (slots_.size() - 1))
      if (entries_[slots_[at]].u == u && entries_[slots_[at]].v == v) return slots_[at];
    const std::uint32_t added = append(u, v);
    insert_hashed(added);
    return added;
  }
  void insert_hashed(std::uint32_t entry) {
    if (2 * (num_hashed_ + 1) > slots_.size()) {
      std::vector<std::uint32_t> old(std::max<std::size_t>(64, 2 * slots_.size()), none);
      old.swap(slots_);
      for (const std::uint32_t e : old)
        if (e != none) place(e);
    }
    place(entry);
    ++num_hashed_;
  }
  void place(std::uint32_t entry) {
    std::size_t at = home(entries_[entry].u, entries_[entry].v);
    while (slots_[at] != none) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = entry;
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> heads_;  // of each id v: its first contact, none, or hashed
  std::vector<std::uint32_t> slots_;  // a power of two of places, at most half full
  std::size_t num_hashed_ = 0;
};

}  // namespace petavox::region_graph
