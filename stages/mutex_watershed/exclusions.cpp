#include "stages/mutex_watershed/exclusions.hpp"

#include "petavox/base/error.hpp"

#include <algorithm>

namespace petavox::mutex_watershed {
Exclusions::Exclusions() { sets_.extend(1); }

Handle Exclusions::make() {
  if (!free_handles_.empty()) {
    const Handle h = free_handles_.back();
    free_handles_.pop_back();
    return h;
  }
  if (sets_.size() >= block_mark - 1)
    throw Error{ErrorCode::resource,
                "a subvolume has too many clusters that exclude each other (they cannot be counted in 32 "
                "bits); use a smaller subvolume or larger strides"};
  const Handle h = sets_.extend(1);
  sets_[h] = {};
  return h;
}

bool Exclusions::contains(const Set& set, Handle h) const {
  if (is_inline(set)) {
    for (std::uint32_t i = 0; i < set.size; ++i)
      if (set.data[i] == h) return true;
    return false;
  }
  const std::uint32_t* entries = pool_[set.data[0]].data();
  const std::uint32_t log = log_capacity(set), capacity = std::uint32_t{1} << log;
  if (capacity <= longest_list) return std::find(entries, entries + set.size, h) != entries + set.size;
  for (std::uint32_t at = place_of(h, log); entries[at] != 0; at = (at + 1) & (capacity - 1))
    if (entries[at] == h) return true;
  return false;
}

template <class F>
void Exclusions::for_each(const Set& set, F&& f) const {
  if (is_inline(set)) {
    for (std::uint32_t i = 0; i < set.size; ++i) f(set.data[i]);
    return;
  }
  const std::uint32_t* entries = pool_[set.data[0]].data();
  const std::uint32_t capacity = std::uint32_t{1} << log_capacity(set);
  const std::uint32_t used = capacity <= longest_list ? set.size : capacity;
  for (std::uint32_t i = 0; i < used; ++i)
    if (entries[i] != 0) f(entries[i]);
}

std::uint32_t Exclusions::take_block(std::uint32_t log) {
  auto& free = free_blocks_[log];
  std::uint32_t block;
  if (free.empty()) {
    block = pool_.extend((std::uint32_t{1} << log) / 4);
  } else {
    block = free.back();
    free.pop_back();
  }
  std::fill_n(pool_[block].data(), std::size_t{1} << log, 0U);
  return block;
}

void Exclusions::release(Set& set) {
  if (!is_inline(set)) free_blocks_[log_capacity(set)].push_back(set.data[0]);
  set = {};
}

void Exclusions::grow(Set& set) {
  const std::uint32_t log = is_inline(set) ? 3 : log_capacity(set) + 1;
  Set larger{0, {take_block(log), block_mark + log, 0}};
  for_each(set, [&](Handle h) { insert(larger, h); });
  release(set);
  set = larger;
}

/// Expects that h is not in the set.
void Exclusions::insert(Set& set, Handle h) {
  if (is_inline(set)) {
    // The second place also says how the set is stored; handles are below the mark.
    if (set.size < inline_size) {
      set.data[set.size++] = h;
      return;
    }
    grow(set);
  }
  std::uint32_t log = log_capacity(set), capacity = std::uint32_t{1} << log;
  // Lists are filled to the brim, tables to three quarters.
  if (set.size >= (capacity <= longest_list ? capacity : capacity / 4 * 3)) {
    grow(set);
    ++log;
    capacity *= 2;
  }
  std::uint32_t* entries = pool_[set.data[0]].data();
  if (capacity <= longest_list) {
    entries[set.size++] = h;
    return;
  }
  std::uint32_t at = place_of(h, log);
  while (entries[at] != 0) at = (at + 1) & (capacity - 1);
  entries[at] = h;
  ++set.size;
}

/// Expects that h is in the set.
void Exclusions::erase(Set& set, Handle h) {
  if (is_inline(set)) {
    std::uint32_t i = 0;
    while (set.data[i] != h) ++i;
    set.data[i] = set.data[--set.size];
    set.data[set.size] = 0;
    return;
  }
  std::uint32_t* entries = pool_[set.data[0]].data();
  const std::uint32_t log = log_capacity(set), capacity = std::uint32_t{1} << log;
  if (capacity <= longest_list) {
    *std::find(entries, entries + set.size, h) = entries[set.size - 1];
    entries[--set.size] = 0;
    return;
  }
  std::uint32_t hole = place_of(h, log);
  while (entries[hole] != h) hole = (hole + 1) & (capacity - 1);
  // What follows without a gap moves back unless that would put it before its place.
  for (std::uint32_t at = (hole + 1) & (capacity - 1); entries[at] != 0; at = (at + 1) & (capacity - 1)) {
    const std::uint32_t place = place_of(entries[at], log);
    if (((at - place) & (capacity - 1)) >= ((at - hole) & (capacity - 1))) {
      entries[hole] = entries[at];
      hole = at;
    }
  }
  entries[hole] = 0;
  --set.size;
}

void Exclusions::exclude(Handle a, Handle b) {
  if (excluded(a, b)) return;
  insert(sets_[a], b);
  insert(sets_[b], a);
}

Handle Exclusions::merge(Handle a, Handle b) {
  if (sets_[a].size < sets_[b].size) std::swap(a, b);
  Set& kept = sets_[a];
  Set& gone = sets_[b];
  for_each(gone, [&](Handle partner) {
    erase(sets_[partner], b);
    if (contains(kept, partner)) return;
    insert(kept, partner);
    insert(sets_[partner], a);
  });
  release(gone);
  free_handles_.push_back(b);
  return a;
}

}  // namespace petavox::mutex_watershed
