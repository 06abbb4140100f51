#pragma once
// Stage `score`: compares labels with a truth volume, as a reduction over the merge tree that ends in a
// summary.

#include "petavox/reduce/reduction.hpp"
#include "petavox/stage/params.hpp"

#include "stages/score/contingency.hpp"

namespace petavox {

/// A Reduction (petavox/reduce/reduction.hpp).
class Score {
 public:
  static constexpr std::string_view name = "score";
  static constexpr std::string_view summary =
      "VOI, adapted Rand, V_rand, V_info and CREMI score against a truth";

  /// The faces of the box that a label touches.
  struct Reach {
    Name name = 0;
    std::uint64_t faces = 0;
  };
  struct State {
    SpillVector<score::Cell> cells;  ///< sorted, distinct
    std::uint64_t voxels = 0;
    // Only with `connected`:
    SpillVector<Reach> reaches;       ///< labels that may go on outside the box, sorted by name
    SpillVector<score::Cell> truths;  ///< sums over cells that have left, by truth (label 0), sorted
    score::Tally left;                ///< pairs and labels of those cells
  };

  explicit Score(Params& params);
  /// With `connected`, cells of labels that are complete in a box leave there; labels must hang together and
  /// be called by their first voxel, else Error{stage} is thrown.
  explicit Score(score::Counting counting, bool connected = false)
      : counting_{std::move(counting)}, connected_{connected} {}

  Contract contract(const Setup& setup) const;
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges& changes) const;
  State merge(State a, State b, const Join& join, const ReductionContext& context,
              NameChanges& changes) const;
  void settle(State& state, const ReductionContext& context, NameChanges& changes) const;
  Bytes finish(State state, const ReductionContext& context) const;
  /// Nothing is renamed.
  std::span<const Name> open_names(const State&) const { return {}; }
  void pack(const State& state, ByteWriter& writer) const;
  State unpack(ByteReader& reader, const ReductionContext& context) const;

 private:
  score::Counts count_slab(const BlockInputs& inputs, const ReductionContext& context, const Box& box) const;
  score::Counting counting_;
  bool connected_ = false;
};

}  // namespace petavox
