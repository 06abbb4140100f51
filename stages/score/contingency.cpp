#include "stages/score/contingency.hpp"

#include "petavox/base/flat_map.hpp"

#include <algorithm>

namespace petavox::score {
namespace {

constexpr std::uint32_t passed_over = 0xffffffffU;

/// Calls f(std::type_identity<T>{}) for an integer array. Throws Error{contract} for others.
template <class F>
void visit_integers(const Array& array, const char* what, F&& f) {
  if (array.channels() != 1 || array.dtype() == DType::f32)
    throw Error{ErrorCode::contract,
                std::string{what} + " is " + name_of(array.dtype()) + " with " +
                    std::to_string(array.channels()) +
                    " channels (labels are one integer a voxel); connect a label volume"};
  visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T> type) {
    if constexpr (std::is_integral_v<T>) f(type);
  });
}

template <class T>
constexpr std::uint64_t widened(T value) {
  if constexpr (std::is_signed_v<T>)
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
  else
    return value;
}

void check_inside(const Array& array, const Box& box, const char* what) {
  if (!array.box().contains(box))
    throw Error{ErrorCode::contract, std::string{what} + " covers " + to_string(array.box()) + " but not " +
                                         to_string(box) + " (voxels would go uncounted); read the same box"};
}

/// Truth labels as small numbers; ignored ones as passed_over.
class TruthNumbers {
 public:
  explicit TruthNumbers(const std::vector<std::uint64_t>& ignored) : ignored_{ignored} {}
  std::uint32_t number(std::uint64_t truth) {
    if (any_ && truth == last_) return last_number_;
    any_ = true;
    last_ = truth;
    if (std::find(ignored_.begin(), ignored_.end(), truth) != ignored_.end())
      return last_number_ = passed_over;
    return last_number_ = static_cast<std::uint32_t>(numbers_.find_or_insert(truth));
  }
  std::uint64_t truth(std::uint32_t number) const { return numbers_.entries()[number].key; }

 private:
  const std::vector<std::uint64_t>& ignored_;
  struct Nothing {};
  FlatMap<Nothing> numbers_;
  bool any_ = false;
  std::uint64_t last_ = 0;
  std::uint32_t last_number_ = passed_over;
};

class Counter {
 public:
  Counter(const LabelArray& labels, const Counting& counting)
      : labels_{labels}, counting_{counting}, numbers_{counting.ignored_truths} {}

  /// One row of ids and truths; bytes of `passed` that are not 0 mark voxels to pass over (may be nullptr).
  template <class T>
  void add_row(const std::uint32_t* ids, const T* truths, const std::uint8_t* passed, std::size_t size) {
    for (std::size_t i = 0; i < size;) {
      if (passed != nullptr && passed[i] != 0) {
        ++i;
        continue;
      }
      const std::size_t begin = i;
      const std::uint32_t id = ids[i];
      const T truth = truths[i];
      do ++i;
      while (i < size && ids[i] == id && truths[i] == truth && (passed == nullptr || passed[i] == 0));
      counts_.voxels += i - begin;
      const std::uint32_t number = numbers_.number(widened(truth));
      if (number != passed_over) pairs_[static_cast<std::uint64_t>(id) << 32 | number] += i - begin;
    }
  }

  void end_section(Index z) {
    if (counting_.sections) flush(static_cast<std::uint64_t>(z));
  }

  Counts take() {
    flush(0);
    counts_.cells.resize(combine(counts_.cells));
    return std::move(counts_);
  }

 private:
  void flush(std::uint64_t section) {
    for (const auto& [key, count] : pairs_.entries())
      counts_.cells.push_back({section, labels_.name(static_cast<std::uint32_t>(key >> 32)),
                               numbers_.truth(static_cast<std::uint32_t>(key)), count});
    pairs_ = {};
  }

  const LabelArray& labels_;
  const Counting& counting_;
  TruthNumbers numbers_;
  FlatMap<std::uint64_t> pairs_;
  Counts counts_;
};

/// Marks the voxels of row (z, y) of `box` to pass over.
void mark(const Array* array, bool where_zero, const Box& box, Index z, Index y,
          std::vector<std::uint8_t>& passed) {
  if (array == nullptr) return;
  visit_integers(*array, "the mask", [&]<class T>(std::type_identity<T>) {
    const T* row = &array->view<T>()[{z, y, box.begin.x}];
    for (std::size_t i = 0; i < passed.size(); ++i)
      passed[i] = static_cast<std::uint8_t>(passed[i] | ((row[i] == 0) == where_zero ? 1 : 0));
  });
}

/// How many cells hold each count.
class HistogramBuilder {
 public:
  void add(std::uint64_t count) { ++multiplicities_[count]; }
  Histogram take() const {
    Histogram histogram;
    for (const auto& [count, multiplicity] : multiplicities_.entries()) histogram[count] = multiplicity;
    return histogram;
  }

 private:
  FlatMap<std::uint64_t> multiplicities_;
};

}  // namespace

Counts count_box(const LabelArray& labels, const Array& truth, const Array* ignore, const Array* inside,
                 const Box& box, const Counting& counting) {
  if (box.empty()) return {};
  check_inside(labels.ids, box, "the labels");
  check_inside(truth, box, "the truth");
  if (ignore != nullptr) check_inside(*ignore, box, "the ignore mask");
  if (inside != nullptr) check_inside(*inside, box, "the mask");
  const auto size = static_cast<std::size_t>(box.shape().x);
  const bool masked = ignore != nullptr || inside != nullptr;
  std::vector<std::uint8_t> passed(masked ? size : 0);
  const auto ids = labels.ids.view<std::uint32_t>();
  Counter counter{labels, counting};
  visit_integers(truth, "the truth", [&]<class T>(std::type_identity<T>) {
    const auto truths = truth.view<T>();
    for (Index z = box.begin.z; z < box.end.z; ++z) {
      for (Index y = box.begin.y; y < box.end.y; ++y) {
        std::fill(passed.begin(), passed.end(), std::uint8_t{0});
        mark(ignore, false, box, z, y, passed);
        mark(inside, true, box, z, y, passed);
        counter.add_row(&ids[{z, y, box.begin.x}], &truths[{z, y, box.begin.x}],
                        masked ? passed.data() : nullptr, size);
      }
      counter.end_section(z);
    }
  });
  return counter.take();
}

std::size_t combine(std::span<Cell> cells) {
  std::sort(cells.begin(), cells.end(), cell_before);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (kept > 0 && same_cell(cells[kept - 1], cells[i]))
      cells[kept - 1].count += cells[i].count;
    else
      cells[kept++] = cells[i];
  }
  return kept;
}

Tally tally_of(std::span<const Cell> cells, std::uint64_t voxels, SpillVector<Cell> truths) {
  HistogramBuilder pairs, labels, zero_pairs, zero_labels, truth_sums;
  for (std::size_t i = 0; i < cells.size();) {
    const Cell& first = cells[i];
    std::uint64_t sum = 0;
    for (; i < cells.size() && cells[i].label == first.label && cells[i].section == first.section; ++i) {
      sum += cells[i].count;
      (first.label == 0 ? zero_pairs : pairs).add(cells[i].count);
      truths.push_back({cells[i].section, 0, cells[i].truth, cells[i].count});
    }
    (first.label == 0 ? zero_labels : labels).add(sum);
  }
  truths.resize(combine(truths.span()));
  for (const Cell& truth : truths) truth_sums.add(truth.count);
  return {pairs.take(), labels.take(), truth_sums.take(), zero_pairs.take(), zero_labels.take(), voxels};
}

void ScoreAccumulator::add(const LabelArray& labels, const Array& truth, const Array* ignore) {
  const Counts counts = count_box(labels, truth, ignore, nullptr, truth.box(), counting_);
  cells_.insert(cells_.end(), counts.cells.begin(), counts.cells.end());
  voxels_ += counts.voxels;
  if (cells_.size() < 2 * combined_ + 65536) return;
  cells_.resize(combine(cells_));
  combined_ = cells_.size();
}

void ScoreAccumulator::add(const Array& labels, const Array& truth, const Array* ignore) {
  check_inside(labels, truth.box(), "the labels");
  LabelArray compact{Array{DType::u32, labels.box(), labels.domain()}, {}};
  visit_integers(labels, "the label volume", [&]<class T>(std::type_identity<T>) {
    struct Nothing {};
    FlatMap<Nothing> numbers;
    const auto from = labels.view<T>().channel();
    const auto to = compact.ids.view<std::uint32_t>().channel();
    T last = 0;
    std::uint32_t id = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i] != last) {
        last = from[i];
        id = last == 0 ? 0 : static_cast<std::uint32_t>(numbers.find_or_insert(widened(last)) + 1);
      }
      to[i] = id;
    }
    for (const auto& entry : numbers.entries()) compact.names.push_back(entry.key);
  });
  add(compact, truth, ignore);
}

Scores ScoreAccumulator::scores() {
  cells_.resize(combine(cells_));
  combined_ = cells_.size();
  return scores_of(tally_of(cells_, voxels_));
}

}  // namespace petavox::score
