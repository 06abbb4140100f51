#pragma once
// Which clusters must never become one. A cluster that excludes others has a handle; for each handle the set
// of the handles that it excludes. The relation is symmetric and exact: merging two clusters renames the one
// with the fewer exclusions in the sets of its partners, so all merges together cost O(m log m) for m
// exclusions, whatever their order, and a cluster of a million partners is asked in O(1). Memory: 16 bytes a
// handle, up to three partners included; 4 to 16 bytes a partner beyond. Not synchronised.

#include "stages/mutex_watershed/paged.hpp"

#include <array>
#include <vector>

namespace petavox::mutex_watershed {

/// Of a cluster in Exclusions; 0 is none.
using Handle = std::uint32_t;

class Exclusions {
 public:
  Exclusions();
  /// A new cluster without exclusions. Throws Error{resource} beyond 2^31 - 2 of them.
  Handle make();
  bool excluded(Handle a, Handle b) const {
    return sets_[a].size <= sets_[b].size ? contains(sets_[a], b) : contains(sets_[b], a);
  }
  /// Expects different handles. Nothing happens if they exclude each other already.
  void exclude(Handle a, Handle b);
  /// The handle of both together, one of the two; the other is free again. Expects that they do not exclude
  /// each other.
  Handle merge(Handle a, Handle b);

  /// Bring what excluded(a, b) and exclude(a, b) will read into the cache: first the records, some time later
  /// where the other would stand.
  void prefetch_records(Handle a, Handle b) const {
    __builtin_prefetch(&sets_[a]);
    __builtin_prefetch(&sets_[b]);
  }
  void prefetch_places(Handle a, Handle b) const {
    prefetch_place(sets_[a], b);
    prefetch_place(sets_[b], a);
  }

  std::size_t held_bytes() const { return sets_.held_bytes() + pool_.held_bytes(); }

 private:
  /// A set of handles. Up to three lie in the record; then `data` is {block, log2 of its capacity}, and the
  /// block a list up to a capacity of `longest_list`, a hash table (linear probing, 0 is free) beyond.
  struct Set {
    std::uint32_t size;
    std::array<std::uint32_t, 3> data;
  };
  static constexpr std::uint32_t inline_size = 3, log_longest_list = 4, longest_list = 1U << log_longest_list;

  static bool is_inline(const Set& set) { return set.data[1] < block_mark; }
  static std::uint32_t log_capacity(const Set& set) { return set.data[1] - block_mark; }
  void prefetch_place(const Set& set, Handle h) const {
    if (!is_inline(set))
      __builtin_prefetch(pool_[set.data[0]].data() +
                         (log_capacity(set) <= log_longest_list ? 0 : place_of(h, log_capacity(set))));
  }
  /// Fibonacci hashing: the upper bits of a product spread consecutive handles evenly.
  static std::uint32_t place_of(Handle h, std::uint32_t log) { return (h * 0x9e3779b1U) >> (32 - log); }
  bool contains(const Set& set, Handle h) const;
  void insert(Set& set, Handle h);
  void erase(Set& set, Handle h);
  void grow(Set& set);
  void release(Set& set);
  template <class F>
  void for_each(const Set& set, F&& f) const;
  std::uint32_t take_block(std::uint32_t log);

  /// Beyond every handle: tells a capacity from a partner.
  static constexpr std::uint32_t block_mark = 0x80000000U;

  Paged<Set, 16> sets_;
  /// Blocks are units of four handles, so that 32 bits reach 64 GiB.
  using Unit = std::array<std::uint32_t, 4>;
  Paged<Unit, 16> pool_;
  std::array<std::vector<std::uint32_t>, 32> free_blocks_;
  std::vector<Handle> free_handles_;
};

}  // namespace petavox::mutex_watershed
