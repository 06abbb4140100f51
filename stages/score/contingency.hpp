#pragma once
// Contingency tables: how many voxels have label s and truth t. Counted block by block; tables add up.

#include "petavox/reduce/spill.hpp"
#include "petavox/volume/label_array.hpp"

#include "stages/score/scores.hpp"

#include <span>
#include <vector>

namespace petavox::score {

/// A cell of a contingency table.
struct Cell {
  std::uint64_t section = 0;  ///< in 2d mode z, as a two's complement; else 0
  std::uint64_t label = 0, truth = 0, count = 0;
  friend bool operator==(const Cell&, const Cell&) = default;
};
/// Cells of one label are neighbours in this order.
constexpr bool cell_before(const Cell& a, const Cell& b) {
  if (a.label != b.label) return a.label < b.label;
  if (a.section != b.section) return a.section < b.section;
  return a.truth < b.truth;
}
constexpr bool same_cell(const Cell& a, const Cell& b) {
  return a.label == b.label && a.section == b.section && a.truth == b.truth;
}

struct Counting {
  std::vector<std::uint64_t> ignored_truths{0};  ///< negative labels as two's complement
  bool sections = false;  ///< 2d mode: the same label in two sections is two objects, in labels and truth
};

/// The counts of some voxels.
struct Counts {
  std::vector<Cell> cells;   ///< sorted, distinct; none of an ignored truth
  std::uint64_t voxels = 0;  ///< looked at
};

/// Counts the voxels of `box`, which must be inside all arrays. `truth`: any integer type, one channel.
/// `ignore`: voxels where it is not 0 are passed over. `inside`: voxels where it is 0 are passed over.
/// Either may be nullptr. Throws Error{contract} for other types or boxes. Scratch: 48 bytes a cell.
Counts count_box(const LabelArray& labels, const Array& truth, const Array* ignore, const Array* inside,
                 const Box& box, const Counting& counting);

/// Sorts cells and adds up those of one pair. Returns how many are left, at the front.
std::size_t combine(std::span<Cell> cells);

/// The tally of a whole table. `cells` sorted, distinct. `truths`: empty, or counts of truth labels (label 0)
/// that are not in `cells` any more; cells of `cells` are added to it, so it holds the scratch memory.
Tally tally_of(std::span<const Cell> cells, std::uint64_t voxels, SpillVector<Cell> truths = {});

/// Scores two volumes that are streamed block by block, in any order, each voxel once. Memory: 32 to 96 bytes
/// for each pair of objects. Not synchronised.
class ScoreAccumulator {
 public:
  explicit ScoreAccumulator(Counting counting = {}) : counting_{std::move(counting)} {}
  /// Over the box of `truth`, which must be inside the others.
  void add(const LabelArray& labels, const Array& truth, const Array* ignore = nullptr);
  /// `labels`: any integer type, one channel.
  void add(const Array& labels, const Array& truth, const Array* ignore = nullptr);
  Scores scores();

 private:
  Counting counting_;
  std::vector<Cell> cells_;
  std::size_t combined_ = 0;  // how many cells were left when they were last combined
  std::uint64_t voxels_ = 0;
};

}  // namespace petavox::score
