#pragma once
// Union-find over sparse 64-bit names; the canonical name of a set is its smallest member.
// One open-addressed array of (name, parent name): a set is found with one cache miss a step, and growing the
// array needs no fix-up. Paths are halved; greater names are linked to smaller ones. Not synchronised.

#include "petavox/base/check.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/volume/label_array.hpp"

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

namespace petavox {

struct NamePair {
  Name a = 0, b = 0;
  friend bool operator==(const NamePair&, const NamePair&) = default;
  friend auto operator<=>(const NamePair&, const NamePair&) = default;
};

class NameUnion {
 public:
  explicit NameUnion(std::size_t expected_names = 0) { rehash(std::bit_ceil(2 * expected_names + 16)); }

  /// Number of different names that were united.
  std::size_t size() const { return size_; }

  /// Names are not 0.
  void unite(Name a, Name b) {
    reserve(2);
    join(slot_or_new(a), slot_or_new(b));
  }
  /// Many pairs: hides the latency of the array. Fastest if neighbouring pairs share names (sorted, for
  /// example).
  void unite(std::span<const NamePair> pairs) {
    constexpr std::size_t ahead = 24;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      // Before the prefetches: a new array is another place.
      reserve(2);
      if (i + ahead < pairs.size()) {
        __builtin_prefetch(&slots_[home(pairs[i + ahead].a)], 1);
        __builtin_prefetch(&slots_[home(pairs[i + ahead].b)], 1);
      }
      join(slot_or_new(pairs[i].a), slot_or_new(pairs[i].b));
    }
  }

  /// The smallest name that `name` was united with; `name` itself if it is unknown. Shortens paths.
  Name find(Name name) {
    const std::size_t known = probe(name);
    return slots_[known].name == 0 ? name : slots_[root(known)].name;
  }

  /// Calls f(name, canonical name) for every name that was ever united, in no particular order.
  template <class F>
  void for_each(F&& f) {
    for (std::size_t s = 0; s < slots_.size(); ++s)
      if (slots_[s].name != 0) f(slots_[s].name, slots_[root(s)].name);
  }

 private:
  struct Slot {
    Name name = 0;  ///< 0: free
    Name parent = 0;
  };

  std::size_t home(Name name) const { return static_cast<std::size_t>(mix64(name)) & mask_; }

  /// The slot of `name`, or the free one where it would stand.
  std::size_t probe(Name name) const {
    std::size_t s = home(name);
    while (slots_[s].name != name && slots_[s].name != 0) s = (s + 1) & mask_;
    return s;
  }

  std::size_t slot_or_new(Name name) {
    const std::size_t s = probe(name);
    if (slots_[s].name == 0) {
      PETAVOX_DEBUG_ASSERT(name != 0);
      slots_[s] = {name, name};
      ++size_;
    }
    return s;
  }

  std::size_t root(std::size_t s) {
    while (slots_[s].parent != slots_[s].name) {
      const std::size_t above = probe(slots_[s].parent);
      slots_[s].parent = slots_[above].parent;
      s = above;
    }
    return s;
  }

  void join(std::size_t a, std::size_t b) {
    a = root(a);
    b = root(b);
    if (slots_[a].name < slots_[b].name)
      slots_[b].parent = slots_[a].name;
    else
      slots_[a].parent = slots_[b].name;
  }

  void reserve(std::size_t more) {
    if (2 * (size_ + more) > slots_.size()) rehash(2 * slots_.size());
  }

  void rehash(std::size_t slots) {
    std::vector<Slot> old(slots);
    old.swap(slots_);
    mask_ = slots - 1;
    for (const Slot& slot : old)
      if (slot.name != 0) slots_[probe(slot.name)] = slot;
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0, size_ = 0;
};

}  // namespace petavox
