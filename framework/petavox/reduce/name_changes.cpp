#include "petavox/reduce/name_changes.hpp"

namespace petavox {

void NameChanges::normalise() {
  if (!std::is_sorted(entries_.begin(), entries_.end())) std::sort(entries_.begin(), entries_.end());
  const auto* last = std::unique(entries_.begin(), entries_.end());
  entries_.resize(static_cast<std::size_t>(last - entries_.begin()));
  const auto* twice = std::adjacent_find(entries_.begin(), entries_.end(),
                                         [](const auto& a, const auto& b) { return a.name == b.name; });
  PETAVOX_ASSERT(twice == entries_.end());
}

void NameChanges::then(NameChanges next) {
  if (next.entries_.empty()) return;
  next.normalise();
  normalise();
  const auto later = next.entries_.span();
  for (NameAssignment& e : entries_) {
    if (e.settled != 0) continue;
    const auto found = std::ranges::lower_bound(later, e.to, {}, &NameAssignment::name);
    if (found == later.end() || found->name != e.to) continue;
    e.to = found->to;
    e.settled = found->settled;
  }
  SpillVector<NameAssignment> both{pool_};
  both.reserve(entries_.size() + later.size());
  auto now = entries_.begin();
  for (const NameAssignment& e : later) {
    while (now != entries_.end() && now->name < e.name) both.push_back(*now++);
    // A name that was renamed before is followed above; it is not in the state any more.
    if (now != entries_.end() && now->name == e.name) continue;
    both.push_back(e);
  }
  while (now != entries_.end()) both.push_back(*now++);
  entries_ = std::move(both);
}

}  // namespace petavox
