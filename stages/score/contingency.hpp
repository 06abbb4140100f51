#pragma once
// Contingency tables: how many voxels have label s and truth t. Counted block by block; tables add up.

#include "petavox/base/flat_map.hpp"
#include "petavox/volume/label_array.hpp"

#include "stages/score/scores.hpp"

#include <optional>
#include <vector>

namespace petavox::score {

/// A cell of a contingency table.
struct Cell {
  std::uint64_t section = 0;  ///< in 2d mode the section, as z - (lowest Index); else 0
  std::uint64_t label = 0, truth = 0, count = 0;
  friend bool operator==(const Cell&, const Cell&) = default;
};
/// Order of cells: by identity of the label, then by that of the truth.
constexpr bool cell_before(const Cell& a, const Cell& b) {
  if (a.section != b.section) return a.section < b.section;
  if (a.label != b.label) return a.label < b.label;
  return a.truth < b.truth;
}

enum class Mode {
  volume,    ///< objects are three-dimensional
  sections,  ///< the same label in two sections is two objects
};

struct Counting {
  std::vector<std::uint64_t> ignored_truths{0};  ///< sorted; negative labels as two's complement
  Mode mode = Mode::volume;
};

/// The counts of some voxels.
struct Counts {
  std::vector<Cell> cells;   ///< sorted, distinct; none of an ignored truth
  std::uint64_t voxels = 0;  ///< all that were looked at
};

/// Counts the voxels of `box`, which must be inside all arrays. `truth`: any integer type, one channel.
/// `ignore`: voxels where it is not 0 are passed over. `inside`: u8; voxels where it is 0 are passed over.
/// Throws Error{contract} on other types.
Counts count_box(const LabelArray& labels, const Array& truth, const Array* ignore, const Array* inside,
                 const Box& box, const Counting& counting);

/// The sum of two tables.
Counts added(const Counts& a, const Counts& b);

/// The tally of a whole table.
Tally tally_of(const Counts& counts);

/// Scores two volumes that are streamed block by block, in any order, each voxel once. Memory: the table.
/// Not synchronised.
class ScoreAccumulator {
 public:
  explicit ScoreAccumulator(Counting counting = {}) : counting_{std::move(counting)} {}
  void add(const LabelArray& labels, const Array& truth, const Array* ignore = nullptr);
  /// `labels`: any integer type, one channel, the box of `truth`.
  void add(const Array& labels, const Array& truth, const Array* ignore = nullptr);
  Scores scores() const;
  const Counts& counts() const;

 private:
  Counting counting_;
  mutable Counts counts_;
  mutable std::vector<Cell> pending_;
};

}  // namespace petavox::score
