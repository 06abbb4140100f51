#pragma once
// Union-find over sparse 64-bit names; the canonical name of a set is its smallest member.
// Flat arrays: an open-addressed index (name -> dense number), and parents by dense number with path halving.
// Not synchronised.

#include "petavox/base/check.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/volume/label_array.hpp"

#include <bit>
#include <limits>
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

  std::size_t size() const { return names_.size(); }

  void unite(Name a, Name b) { join(number(a), number(b)); }
  /// Many pairs: hides the latency of the index.
  void unite(std::span<const NamePair> pairs) {
    constexpr std::size_t ahead = 16;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (i + ahead < pairs.size()) {
        __builtin_prefetch(&slots_[slot_of(pairs[i + ahead].a)]);
        __builtin_prefetch(&slots_[slot_of(pairs[i + ahead].b)]);
      }
      unite(pairs[i].a, pairs[i].b);
    }
  }

  /// The smallest name that `name` was united with; `name` itself if it is unknown. Shortens paths.
  Name find(Name name) {
    const std::uint32_t known = lookup(name);
    return known == none ? name : names_[root(known)];
  }

  /// Calls f(name, canonical name) for every name that was ever united, in order of first appearance.
  template <class F>
  void for_each(F&& f) {
    for (std::uint32_t i = 0; i < names_.size(); ++i) f(names_[i], names_[root(i)]);
  }

 private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  struct Slot {
    Name name = 0;
    std::uint64_t number = none;  ///< none: free
  };

  std::size_t slot_of(Name name) const { return static_cast<std::size_t>(mix64(name)) & mask_; }

  std::uint32_t lookup(Name name) const {
    for (std::size_t s = slot_of(name);; s = (s + 1) & mask_) {
      if (slots_[s].number == none) return none;
      if (slots_[s].name == name) return static_cast<std::uint32_t>(slots_[s].number);
    }
  }

  std::uint32_t number(Name name) {
    for (std::size_t s = slot_of(name);; s = (s + 1) & mask_) {
      if (slots_[s].number != none) {
        if (slots_[s].name == name) return static_cast<std::uint32_t>(slots_[s].number);
        continue;
      }
      PETAVOX_ASSERT(names_.size() < none - 1);
      const auto fresh = static_cast<std::uint32_t>(names_.size());
      slots_[s] = {name, fresh};
      names_.push_back(name);
      parents_.push_back(fresh);
      if (2 * names_.size() > slots_.size()) rehash(2 * slots_.size());
      return fresh;
    }
  }

  std::uint32_t root(std::uint32_t i) {
    while (parents_[i] != i) {
      parents_[i] = parents_[parents_[i]];
      i = parents_[i];
    }
    return i;
  }

  void join(std::uint32_t a, std::uint32_t b) {
    a = root(a);
    b = root(b);
    if (a == b) return;
    if (names_[a] < names_[b])
      parents_[b] = a;
    else
      parents_[a] = b;
  }

  void rehash(std::size_t slots) {
    slots_.assign(slots, Slot{});
    mask_ = slots - 1;
    for (std::uint32_t i = 0; i < names_.size(); ++i) {
      std::size_t s = slot_of(names_[i]);
      while (slots_[s].number != none) s = (s + 1) & mask_;
      slots_[s] = {names_[i], i};
    }
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::vector<Name> names_;
  std::vector<std::uint32_t> parents_;
};

}  // namespace petavox
