#pragma once
// Contacts in the order in which linkage takes them: greatest mean first, then smallest key. Entries hold
// the mean to b binary places. Two different means of fewer than 2^(b/2) voxel edges differ by more than
// 2^-b, hence in these places: the order is exact up to that count. Not synchronised.

#include "petavox/base/uint128.hpp"

#include "stages/agglomerate/contact_graph.hpp"

#include <algorithm>
#include <functional>

namespace petavox::agglomerate {

/// mean = sum / count as a fixed-point number with 48 + (bits of Low) binary places, rounded down.
template <class Low>
struct Mean {
  std::uint64_t high = 0;
  Low low = 0;
  friend constexpr bool operator==(const Mean&, const Mean&) = default;
  friend constexpr auto operator<=>(const Mean&, const Mean&) = default;

  /// Expects sum / count < 2^16.
  static constexpr Mean of(std::uint64_t sum, std::uint64_t count) {
    constexpr int low_bits = 8 * sizeof(Low);
    const std::uint64_t whole = sum / count, rest = sum % count;
    if (count < std::uint64_t{1} << 16) {  // all in 64 bits: the usual case
      const std::uint64_t scaled = rest << 48;
      if constexpr (low_bits <= 48)
        return {whole << 48 | scaled / count, static_cast<Low>((scaled % count << low_bits) / count)};
    }
    const uint128 scaled = static_cast<uint128>(rest) << 48;
    const auto middle = static_cast<std::uint64_t>(scaled / count);
    const uint128 lower = static_cast<uint128>(scaled % count) << low_bits;
    return {whole << 48 | middle, static_cast<Low>(lower / count)};
  }
};

/// `Low` decides up to which count the order is exact: uint32_t 2^40, uint64_t 2^56.
template <class Low>
class MergeQueue {
 public:
  struct Entry {
    std::uint64_t high;
    std::uint64_t key;
    Low low;
    std::uint32_t contact;
    Mean<Low> mean() const { return {high, low}; }
    /// Comes later.
    friend bool operator<(const Entry& a, const Entry& b) {
      if (a.high != b.high) return a.high < b.high;
      if (a.low != b.low) return a.low < b.low;
      return a.key > b.key;
    }
  };

  MergeQueue(const ReductionContext& context, std::size_t expected)
      : first_{context.array<Entry>()}, again_{context.array<Entry>()} {
    first_.reserve(expected);
  }

  static Entry entry(const Contact& c, std::uint32_t contact) {
    const auto mean = Mean<Low>::of(c.sum, c.count);
    return {mean.high, c.key, mean.low, contact};
  }

  /// Before start() only.
  void add(const Entry& entry) { first_.push_back(entry); }
  void start() { std::sort(first_.begin(), first_.end()); }  // the best at the back

  void push(const Entry& entry) {
    again_.push_back(entry);
    std::push_heap(again_.begin(), again_.end());
  }
  /// The contact that will be popped `ahead` pops from now if no contact is pushed again; else some contact.
  std::uint32_t upcoming(std::size_t ahead) const {
    return first_.empty() ? 0 : first_[first_.size() - 1 - std::min(ahead, first_.size() - 1)].contact;
  }
  bool empty() const { return first_.empty() && again_.empty(); }
  Entry pop() {
    if (again_.empty() || (!first_.empty() && again_[0] < first_.back())) {
      const Entry best = first_.back();
      first_.resize(first_.size() - 1);
      return best;
    }
    std::pop_heap(again_.begin(), again_.end());
    const Entry best = again_.back();
    again_.resize(again_.size() - 1);
    return best;
  }

 private:
  SpillVector<Entry> first_;  // sorted once: nearly all are popped as they were added
  SpillVector<Entry> again_;  // a heap of those whose mean has changed since
};

}  // namespace petavox::agglomerate
