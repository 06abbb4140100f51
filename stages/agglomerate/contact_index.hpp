#pragma once
// Finds the contact of two nodes: open addressing with 8-byte slots (32 bits of hash, 32 bits of contact),
// 1.5 to 3 slots a contact, linear probing, erasure by shifting back, so that it never rots.
// Not synchronised.

#include "stages/agglomerate/contact_graph.hpp"

namespace petavox::agglomerate {

class ContactIndex {
 public:
  static constexpr std::uint32_t none = 0xffffffffU;

  /// For contacts (fewer than 2^31) whose ends are read from `contacts`; with room for `expected` at a time.
  ContactIndex(const SpillVector<Contact>& contacts, std::size_t expected, const ReductionContext& context)
      : contacts_{contacts}, context_{context}, slots_{context.array<std::uint64_t>()} {
    reserve(expected);
  }

  /// Room for `expected` at a time. Expects that it is empty.
  void reserve(std::size_t expected) { slots_.resize(expected + expected / 2 + 2, empty); }

  void prefetch(std::uint32_t a, std::uint32_t b) const { __builtin_prefetch(&slots_[home(hash(a, b))]); }

  /// The contact of a and b, or none.
  std::uint32_t find(std::uint32_t a, std::uint32_t b) const {
    const std::uint32_t h = hash(a, b);
    for (std::size_t at = home(h); slots_[at] != empty; at = after(at)) {
      if (slots_[at] >> 32 != h) continue;
      const auto found = static_cast<std::uint32_t>(slots_[at]);
      const Contact& c = contacts_[found];
      if ((c.a == a && c.b == b) || (c.a == b && c.b == a)) return found;
    }
    return none;
  }

  /// Expects that the contact's pair is not in the index.
  void insert(std::uint32_t a, std::uint32_t b, std::uint32_t contact) {
    if (3 * ++size_ > 2 * slots_.size()) grow();
    place(static_cast<std::uint64_t>(hash(a, b)) << 32 | contact);
  }

  /// Replaces the contact of a and b by another. Expects that it is in the index.
  void replace(std::uint32_t a, std::uint32_t b, std::uint32_t contact, std::uint32_t by) {
    const std::uint32_t h = hash(a, b);
    slots_[position(h, contact)] = static_cast<std::uint64_t>(h) << 32 | by;
  }

  /// Expects that it is in the index.
  void erase(std::uint32_t a, std::uint32_t b, std::uint32_t contact) {
    std::size_t hole = position(hash(a, b), contact);
    for (std::size_t at = after(hole); slots_[at] != empty; at = after(at)) {
      // An entry may move back to the hole unless its home lies behind the hole.
      const std::size_t wanted = home(static_cast<std::uint32_t>(slots_[at] >> 32));
      const bool behind = hole <= at ? (hole < wanted && wanted <= at) : (hole < wanted || wanted <= at);
      if (behind) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = empty;
    --size_;
  }

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};

  void place(std::uint64_t slot) {
    std::size_t at = home(static_cast<std::uint32_t>(slot >> 32));
    while (slots_[at] != empty) at = after(at);
    slots_[at] = slot;
  }
  void grow() {
    const SpillVector<std::uint64_t> old = std::move(slots_);
    slots_ = context_.array<std::uint64_t>();
    slots_.resize(std::max<std::size_t>(64, 2 * old.size()), empty);
    for (const std::uint64_t slot : old)
      if (slot != empty) place(slot);
  }

  static std::uint32_t hash(std::uint32_t a, std::uint32_t b) {
    const std::uint64_t pair =
        a < b ? static_cast<std::uint64_t>(a) << 32 | b : static_cast<std::uint64_t>(b) << 32 | a;
    return static_cast<std::uint32_t>(mix64(pair) >> 32);
  }
  std::size_t home(std::uint32_t h) const {
    return static_cast<std::size_t>(h * static_cast<std::uint64_t>(slots_.size()) >> 32);
  }
  std::size_t after(std::size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }
  std::size_t position(std::uint32_t h, std::uint32_t contact) const {
    const std::uint64_t wanted = static_cast<std::uint64_t>(h) << 32 | contact;
    std::size_t at = home(h);
    while (slots_[at] != wanted) at = after(at);
    return at;
  }

  const SpillVector<Contact>& contacts_;
  const ReductionContext& context_;
  SpillVector<std::uint64_t> slots_;
  std::size_t size_ = 0;
};

}  // namespace petavox::agglomerate
