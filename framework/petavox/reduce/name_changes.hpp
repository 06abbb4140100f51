#pragma once
// What becomes of names while states are joined: renamings and final values, composed over the joins of a
// node into the assignments that travel down again. Not synchronised.

#include "petavox/reduce/spill.hpp"
#include "petavox/stage/tree_reduction.hpp"

#include <optional>
#include <ranges>
#include <vector>

namespace petavox {

class NameChanges {
 public:
  NameChanges() = default;
  explicit NameChanges(const std::shared_ptr<SpillPool>& pool) : renamed_{pool}, settled_{pool} {}

  /// From now on the object called `from` is called `to`, in the state too. It is not final.
  /// A name that may also occur outside the joined box must never be renamed.
  void rename(Name from, Name to) {
    if (from != to) renamed_.push_back({from, to});
  }
  /// The object called `name` leaves the state: its final value is `value` (0: background).
  /// Must be said of every name that leaves, also if value == name.
  void settle(Name name, Name value) { settled_.push_back({name, value}); }

  /// Appends what a later step did: a name that this one renamed to x has become what `next` says of x.
  void then(NameChanges next);

  /// The assignments of a node whose state holds the names `open` (ascending): those of its children, sorted;
  /// a name that settles to itself is left out, an unsettled one never.
  template <std::ranges::input_range Range>
  std::vector<NameAssignment> assignments(const Range& open) {
    normalise();
    std::vector<NameAssignment> result;
    const Change *renamed = renamed_.begin(), *settled = settled_.begin();
    const auto changed_before = [&](std::optional<Name> end) {
      for (;;) {
        const bool rename = renamed != renamed_.end() && (!end || renamed->name < *end),
                   settle = settled != settled_.end() && (!end || settled->name < *end);
        if (!rename && !settle) return;
        if (rename && (!settle || renamed->name < settled->name)) {
          result.push_back({renamed->name, renamed->to, 0});
          ++renamed;
        } else {
          if (settled->name != settled->to) result.push_back({settled->name, settled->to, 1});
          ++settled;
        }
      }
    };
    for (const Name name : open) {
      changed_before(name);
      const bool renames = renamed != renamed_.end() && renamed->name == name,
                 settles = settled != settled_.end() && settled->name == name;
      if (!renames && !settles) result.push_back({name, name, 0});
    }
    changed_before(std::nullopt);
    return result;
  }

 private:
  struct Change {
    Name name = 0, to = 0;
    friend bool operator==(const Change&, const Change&) = default;
    friend auto operator<=>(const Change&, const Change&) = default;
  };
  static void normalise(SpillVector<Change>& changes);
  void normalise();
  /// Both in order.
  static void add(SpillVector<Change>& to, SpillVector<Change> more);

  SpillVector<Change> renamed_, settled_;
};

}  // namespace petavox
