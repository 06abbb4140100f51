#pragma once
// Contacts in the order of linkage: greatest mean first, then smallest key. Entries hold the mean to b binary
// places. Two different means of fewer than 2^(b/2) voxel edges differ by more than 2^-b, hence in these
// places: the order is exact up to that count. Not synchronised.

#include "petavox/base/uint128.hpp"

#include "stages/agglomerate/contact_graph.hpp"

#include <compare>
#include <utility>

namespace petavox::agglomerate {

/// Rounded down, for a count and a quotient below 2^48. Right if the quotient is below 2^32 and the count
/// below 2^16: it is at least 2^-16 away from the next whole number, or is one; a double has places for more.
/// Divisions of doubles take a quarter of the time of those of 64-bit integers.
constexpr std::uint64_t quotient(double dividend, std::uint64_t count) {
  return static_cast<std::uint64_t>(
      static_cast<std::int64_t>(dividend / static_cast<double>(static_cast<std::int64_t>(count))));
}

/// The whole number in a mean below 2^16.
constexpr std::uint64_t whole_mean(std::uint64_t sum, std::uint64_t count) {
  return count < std::uint64_t{1} << 16 ? quotient(static_cast<double>(static_cast<std::int64_t>(sum)), count)
                                        : sum / count;
}

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
    const std::uint64_t whole = whole_mean(sum, count), rest = sum - whole * count;
    if constexpr (low_bits <= 32) {
      if (count < std::uint64_t{1} << 16) {  // the usual case
        const std::uint64_t scaled = rest << 48;
        auto middle = quotient(static_cast<double>(static_cast<std::int64_t>(rest)) * 0x1p48, count);
        // Less than 2^48, so rounding moved it by less than one.
        auto left = static_cast<std::int64_t>(scaled - middle * count);
        if (left < 0) {
          --middle;
          left += static_cast<std::int64_t>(count);
        }
        return {
            whole << 48 | middle,
            static_cast<Low>(quotient(static_cast<double>(left) * (std::uint64_t{1} << low_bits), count))};
      }
    }
    const uint128 scaled = static_cast<uint128>(rest) << 48;
    const auto middle = static_cast<std::uint64_t>(scaled / count);
    const uint128 lower = static_cast<uint128>(scaled % count) << low_bits;
    return {whole << 48 | middle, static_cast<Low>(lower / count)};
  }
};

/// A contact and its place in the order when it was entered.
/// `Low` decides up to which count the order is exact: uint32_t 2^40, uint64_t 2^56.
template <class Low>
struct Ranked {
  std::uint64_t high;
  std::uint64_t key;
  Low low;
  std::uint32_t contact;

  static Ranked of(const Contact& c, std::uint32_t contact) {
    const auto mean = Mean<Low>::of(c.sum, c.count);
    return {mean.high, c.key, mean.low, contact};
  }
  friend bool operator==(const Ranked&, const Ranked&) = default;
  /// Comes later. The number of the contact decides only in damaged graphs, where keys are not distinct.
  friend bool operator<(const Ranked& a, const Ranked& b) {
    if (a.high != b.high) return a.high < b.high;
    if (a.low != b.low) return a.low < b.low;
    return a.key != b.key ? a.key > b.key : a.contact > b.contact;
  }
};

/// A queue for each of many nodes, with the best at its top: pairing heaps in one array. Joining two queues
/// is one step; pop takes O(log n) amortised. 32 to 40 bytes an entry, 4 a node.
template <class Low>
class NodeQueues {
 public:
  NodeQueues(std::size_t num_nodes, const ReductionContext& context)
      : tops_{context.array<std::uint32_t>()}, cells_{context.array<Cell>()} {
    tops_.resize(num_nodes, none);
  }

  bool empty(std::uint32_t node) const { return tops_[node] == none; }
  const Ranked<Low>& top(std::uint32_t node) const { return cells_[tops_[node]].entry; }

  void push(std::uint32_t node, const Ranked<Low>& entry) {
    std::uint32_t cell = free_;
    if (cell == none) {
      cell = static_cast<std::uint32_t>(cells_.size());
      cells_.push_back({entry, none, none});
    } else {
      free_ = cells_[cell].next;
      cells_[cell] = {entry, none, none};
    }
    tops_[node] = linked(tops_[node], cell);
  }

  void pop(std::uint32_t node) {
    const std::uint32_t top = tops_[node];
    // Neighbouring children in pairs from left to right, then the pairs from right to left.
    std::uint32_t pairs = none;
    for (std::uint32_t child = cells_[top].child; child != none;) {
      const std::uint32_t second = cells_[child].next;
      const std::uint32_t rest = second == none ? none : cells_[second].next;
      const std::uint32_t pair = linked(child, second);
      cells_[pair].next = pairs;
      pairs = pair;
      child = rest;
    }
    std::uint32_t all = none;
    while (pairs != none) {
      const std::uint32_t rest = cells_[pairs].next;
      all = linked(all, pairs);
      pairs = rest;
    }
    tops_[node] = all;
    cells_[top].next = free_;
    free_ = top;
  }

  /// The entries of `from` become entries of `to`.
  void pour(std::uint32_t from, std::uint32_t to) {
    tops_[to] = linked(tops_[to], tops_[from]);
    tops_[from] = none;
  }

 private:
  static constexpr std::uint32_t none = 0xffffffffU;
  struct Cell {
    Ranked<Low> entry;
    std::uint32_t child, next;  // the first child; the next child of the same parent, or the next free cell
  };

  /// One heap of two (either may be none); neither has siblings afterwards.
  std::uint32_t linked(std::uint32_t a, std::uint32_t b) {
    if (a == none || b == none) {
      const std::uint32_t one = a == none ? b : a;
      if (one != none) cells_[one].next = none;
      return one;
    }
    if (cells_[a].entry < cells_[b].entry) std::swap(a, b);
    cells_[b].next = cells_[a].child;
    cells_[a].child = b;
    cells_[a].next = none;
    return a;
  }

  SpillVector<std::uint32_t> tops_;
  SpillVector<Cell> cells_;
  std::uint32_t free_ = none;
};

}  // namespace petavox::agglomerate
