#pragma once
// A hash map from 64-bit keys to small values, for counting in inner loops: entries lie densely in the order
// of first insertion, an open-addressing table of 32-bit indices finds them. Nothing can be erased.
// Memory: sizeof(Entry) + 8 to 16 bytes an entry. Holds at most 2^32 - 2 entries. Not synchronised.

#include "petavox/base/error.hpp"
#include "petavox/base/hash.hpp"

#include <cstdint>
#include <vector>

namespace petavox {

template <class Value>
class FlatMap {
 public:
  struct Entry {
    std::uint64_t key;
    Value value;
  };

  /// The position of `key` in entries(); it is inserted with a value-initialised value if it is new.
  /// Throws Error{resource} beyond the largest size.
  std::size_t find_or_insert(std::uint64_t key) {
    if (entries_.size() >= limit_) grow();
    std::size_t at = mix64(key) & mask_;
    while (slots_[at] != empty_slot) {
      if (entries_[slots_[at]].key == key) return slots_[at];
      at = (at + 1) & mask_;
    }
    slots_[at] = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({key, Value{}});
    return entries_.size() - 1;
  }
  /// Valid until the next insertion.
  Value& operator[](std::uint64_t key) { return entries_[find_or_insert(key)].value; }
  /// nullptr if there is none.
  const Value* find(std::uint64_t key) const {
    if (entries_.empty()) return nullptr;
    for (std::size_t at = mix64(key) & mask_; slots_[at] != empty_slot; at = (at + 1) & mask_)
      if (entries_[slots_[at]].key == key) return &entries_[slots_[at]].value;
    return nullptr;
  }

  /// Room for so many entries without growing. Expects fewer than 2^31.
  void reserve(std::size_t count) {
    entries_.reserve(count);
    std::size_t size = 64;
    while (size / 2 < count) size *= 2;
    if (size > slots_.size()) resize(size);
  }
  std::size_t size() const { return entries_.size(); }
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>& entries() { return entries_; }

 private:
  static constexpr std::uint32_t empty_slot = 0xffffffffU;

  void grow() {
    if (entries_.size() >= 0xfffffffeU / 2)
      throw Error{ErrorCode::resource,
                  "a block has more than 2^31 different pairs of objects (they cannot be counted in "
                  "memory); use smaller blocks"};
    resize(slots_.empty() ? 64 : slots_.size() * 2);
  }

  void resize(std::size_t size) {
    slots_.assign(size, empty_slot);
    mask_ = size - 1;
    limit_ = size / 2;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t at = mix64(entries_[i].key) & mask_;
      while (slots_[at] != empty_slot) at = (at + 1) & mask_;
      slots_[at] = static_cast<std::uint32_t>(i);
    }
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;
  std::size_t mask_ = 0, limit_ = 0;
};

}  // namespace petavox
