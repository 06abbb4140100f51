#pragma once
// What becomes of names while states are joined: renamings and final values, composed over the joins of a
// node into the assignments that travel down again. Not synchronised.

#include "petavox/reduce/spill.hpp"
#include "petavox/stage/tree_reduction.hpp"

#include <ranges>
#include <vector>

namespace petavox {

class NameChanges {
 public:
  NameChanges() = default;
  explicit NameChanges(std::shared_ptr<SpillPool> pool) : pool_{std::move(pool)}, entries_{pool_} {}

  /// From now on the object called `from` is called `to`, in the state too. It is not final.
  /// A name that may also occur outside the joined box must never be renamed.
  void rename(Name from, Name to) {
    if (from != to) entries_.push_back({from, to, 0});
  }
  /// The object called `name` leaves the state: its final value is `value` (0: background).
  /// Must be said of every name that leaves, also if value == name.
  void settle(Name name, Name value) { entries_.push_back({name, value, 1}); }

  /// Appends what a later step did: a name that this one renamed to x has become what `next` says of x.
  void then(NameChanges next);

  /// The assignments of a node whose state holds the names `open` (ascending): those of its children, sorted;
  /// a name that settles to itself is left out, an unsettled one never.
  template <std::ranges::input_range Range>
  std::vector<NameAssignment> assignments(const Range& open) {
    normalise();
    std::vector<NameAssignment> result;
    auto entry = entries_.begin();
    const auto emit = [&](const NameAssignment& e) {
      if (e.settled == 0 || e.name != e.to) result.push_back(e);
    };
    for (const Name name : open) {
      while (entry != entries_.end() && entry->name < name) emit(*entry++);
      if (entry != entries_.end() && entry->name == name)
        emit(*entry++);
      else
        result.push_back({name, name, 0});
    }
    while (entry != entries_.end()) emit(*entry++);
    return result;
  }

  std::span<const NameAssignment> entries() const { return entries_.span(); }

 private:
  void normalise();

  std::shared_ptr<SpillPool> pool_;
  SpillVector<NameAssignment> entries_;
};

}  // namespace petavox
