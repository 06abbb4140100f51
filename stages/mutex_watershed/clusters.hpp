#pragma once
// The clusters of a mutex watershed while it runs: a union-find whose roots know what they exclude. Not
// synchronised.

#include "stages/mutex_watershed/exclusions.hpp"

#include <vector>

namespace petavox::mutex_watershed {

class Clusters {
 public:
  /// Elements 0 … count - 1, each its own cluster. Expects fewer than 2^31.
  explicit Clusters(std::size_t count);

  /// Joins the clusters of two elements unless they are one or exclude each other.
  void attract(std::uint32_t u, std::uint32_t v) {
    const std::uint32_t a = root(u), b = root(v);
    if (a == b) return;
    const Handle ha = handle_at(a), hb = handle_at(b);
    Handle both = ha | hb;
    if (ha != 0 && hb != 0) {
      if (exclusions_.excluded(ha, hb)) return;
      both = exclusions_.merge(ha, hb);
    }
    const std::uint32_t first = a < b ? a : b, other = a < b ? b : a;
    parents_[other] = first;
    parents_[first] = both == 0 ? first : root_mark + both;
  }

  /// Keeps the clusters of two elements apart for good, unless they are one.
  void repel(std::uint32_t u, std::uint32_t v) {
    const std::uint32_t a = root(u), b = root(v);
    if (a != b) exclusions_.exclude(handle_of(a), handle_of(b));
  }

  /// The least element of the cluster. Halves the path on its way.
  std::uint32_t root(std::uint32_t v) {
    std::uint32_t* const parents = parents_.data();
    for (;;) {
      const std::uint32_t p = parents[v];
      if (p == v || p >= root_mark) return v;
      const std::uint32_t q = parents[p];
      if (q == p || q >= root_mark) return p;
      parents[v] = q;
      v = q;
    }
  }

  /// Three looks ahead, some time before attract(u, v) or repel(u, v): the elements, then their roots, which
  /// take their place, then what the roots exclude.
  void prefetch(std::uint32_t u, std::uint32_t v) const {
    __builtin_prefetch(&parents_[u]);
    __builtin_prefetch(&parents_[v]);
  }
  void prefetch_roots(std::uint32_t& u, std::uint32_t& v) {
    u = root(u);
    v = root(v);
    if (u != v) exclusions_.prefetch_records(handle_at(u), handle_at(v));
  }
  void prefetch_exclusions(std::uint32_t u, std::uint32_t v) const {
    if (u != v) exclusions_.prefetch_places(handle_at(u), handle_at(v));
  }

  std::size_t held_bytes() const {
    return parents_.size() * sizeof(std::uint32_t) + exclusions_.held_bytes();
  }

 private:
  /// A parent is the element itself (a root that excludes nothing), a smaller element, or `root_mark` + a
  /// handle (a root that excludes others).
  static constexpr std::uint32_t root_mark = 0x80000000U;

  Handle handle_at(std::uint32_t root) const {
    return parents_[root] >= root_mark ? parents_[root] - root_mark : 0;
  }
  Handle handle_of(std::uint32_t root) {
    if (parents_[root] < root_mark) parents_[root] = root_mark + exclusions_.make();
    return parents_[root] - root_mark;
  }

  std::vector<std::uint32_t> parents_;
  Exclusions exclusions_;
};

}  // namespace petavox::mutex_watershed
