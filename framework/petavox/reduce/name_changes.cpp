#include "petavox/reduce/name_changes.hpp"

namespace petavox {

void NameChanges::normalise(SpillVector<Change>& changes) {
  if (!std::is_sorted(changes.begin(), changes.end())) std::sort(changes.begin(), changes.end());
  const auto* last = std::unique(changes.begin(), changes.end());
  changes.resize(static_cast<std::size_t>(last - changes.begin()));
}

void NameChanges::normalise() {
  normalise(renamed_);
  normalise(settled_);
  // A name has one fate.
  const Change* settled = settled_.begin();
  const auto same_name = [](const Change& a, const Change& b) { return a.name == b.name; };
  PETAVOX_ASSERT(std::adjacent_find(renamed_.begin(), renamed_.end(), same_name) == renamed_.end());
  PETAVOX_ASSERT(std::adjacent_find(settled_.begin(), settled_.end(), same_name) == settled_.end());
  for (const Change& renamed : renamed_) {
    while (settled != settled_.end() && settled->name < renamed.name) ++settled;
    PETAVOX_ASSERT(settled == settled_.end() || settled->name != renamed.name);
  }
}

void NameChanges::then(NameChanges next) {
  next.normalise();
  if (renamed_.empty() && settled_.empty()) {
    *this = std::move(next);
    return;
  }
  normalise();
  const auto fate_in = [](const SpillVector<Change>& changes, Name name) {
    const Change* found = std::ranges::lower_bound(changes, name, {}, &Change::name);
    return found != changes.end() && found->name == name ? found : nullptr;
  };
  SpillVector<Change> followed = settled_.sibling();  // renamed before, settled now
  std::size_t kept = 0;
  for (const Change& change : renamed_) {
    const Change* renamed = fate_in(next.renamed_, change.to);
    if (const Change* settled = fate_in(next.settled_, change.to))
      followed.push_back({change.name, settled->to});
    else
      renamed_[kept++] = {change.name, renamed != nullptr ? renamed->to : change.to};
  }
  renamed_.resize(kept);
  // A name that changed before is not in the state any more.
  for (SpillVector<Change>* later : {&next.renamed_, &next.settled_}) {
    const Change *a = renamed_.begin(), *b = followed.begin(), *c = settled_.begin();
    const auto reaches = [](const Change*& at, const Change* end, Name name) {
      while (at != end && at->name < name) ++at;
      return at != end && at->name == name;
    };
    const auto* last = std::remove_if(later->begin(), later->end(), [&](const Change& change) {
      return reaches(a, renamed_.end(), change.name) || reaches(b, followed.end(), change.name) ||
             reaches(c, settled_.end(), change.name);
    });
    later->resize(static_cast<std::size_t>(last - later->begin()));
  }
  add(renamed_, std::move(next.renamed_));
  add(settled_, std::move(followed));
  add(settled_, std::move(next.settled_));
}

void NameChanges::add(SpillVector<Change>& to, SpillVector<Change> more) {
  if (more.empty()) return;
  // From the end, so that nothing is copied twice.
  std::size_t i = to.size(), j = more.size(), at = i + j;
  to.resize(at);
  while (j > 0) {
    const bool from_to = i > 0 && more[j - 1] < to[i - 1];
    to[--at] = from_to ? to[--i] : more[--j];
  }
}

}  // namespace petavox
