#pragma once
// Which contacts a node has: a row of their numbers for each node, all rows in one array. Not synchronised.

#include "petavox/reduce/reduction.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

namespace petavox::agglomerate {

/// Numbers of contacts, candidates first (linkage.cpp), in cells. Contacts that are gone may still be among
/// them.
struct ContactRow {
  std::uint64_t begin = 0;
  std::uint32_t length = 0, num_candidates = 0, capacity = 0;
};

class ContactRows {
 public:
  explicit ContactRows(const ReductionContext& context)
      : rows_{context.array<ContactRow>()}, cells_{context.array<std::uint32_t>()} {
    free_.fill(no_cells);
  }

  /// Rows for so many nodes. Set their `capacity`, then lay them out.
  void resize(std::size_t num_nodes) { rows_.resize(num_nodes); }
  void lay_out() {
    std::uint64_t total = 0;
    for (ContactRow& row : rows_) {
      row.begin = total;
      total += row.capacity;
    }
    cells_.resize(total);
  }

  ContactRow& operator[](std::uint32_t node) { return rows_[node]; }
  std::uint32_t* cells(const ContactRow& row) { return &cells_[row.begin]; }
  std::span<const std::uint32_t> numbers(const ContactRow& row) const {
    return cells_.span().subspan(row.begin, row.length);
  }

  /// Adds a contact. Expects that there is room.
  void put(ContactRow& row, std::uint32_t c, bool candidate) {
    std::uint32_t* const at = cells(row);
    std::uint32_t place = row.length++;
    if (candidate) {
      at[place] = at[row.num_candidates];
      place = row.num_candidates++;
    }
    at[place] = c;
  }

  /// Makes room for so many contacts; the row may move.
  void make_room(ContactRow& row, std::uint32_t wanted) {
    if (wanted <= row.capacity) return;
    ContactRow grown = row;
    const auto power = static_cast<std::uint32_t>(std::bit_width(wanted - 1));
    if (free_[power] != no_cells) {
      grown.begin = free_[power];
      std::memcpy(&free_[power], &cells_[grown.begin], sizeof(grown.begin));
      grown.capacity = cells_[grown.begin + 2];
    } else {
      grown.begin = cells_.size();
      grown.capacity = std::uint32_t{1} << power;
      cells_.extend(grown.capacity);
    }
    std::copy_n(&cells_[row.begin], row.length, &cells_[grown.begin]);
    discard(row);
    row = grown;
  }

  /// Empties a row and gives its cells back.
  void discard(ContactRow& row) {
    if (row.capacity >= 3) {
      std::uint64_t& list = free_[static_cast<std::size_t>(std::bit_width(row.capacity)) - 1];
      std::memcpy(&cells_[row.begin], &list, sizeof(list));
      cells_[row.begin + 2] = row.capacity;
      list = row.begin;
    }
    row = {};
  }

 private:
  static constexpr std::uint64_t no_cells = ~std::uint64_t{0};
  SpillVector<ContactRow> rows_;
  SpillVector<std::uint32_t> cells_;
  // Cells that were given back, in lists by the power of two that a stretch has at least: the first one of
  // each, or no_cells. A list goes through the first two cells of its stretches, and the third one holds how
  // many they are.
  std::array<std::uint64_t, 33> free_;
};

}  // namespace petavox::agglomerate
