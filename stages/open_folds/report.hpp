#pragma once
// The summary of what was opened: damage and pieces of each section that has any, as JSON. A reduction whose
// state is one row of numbers for each piece.

#include "petavox/reduce/reduction.hpp"

#include "stages/open_folds/steps.hpp"

#include <span>

namespace petavox::open_folds {

class FoldReport {
 public:
  static constexpr int numbers = PlaceField::count - PlaceField::state;
  struct Row {
    std::int64_t z = 0, piece = 0;
    std::int64_t values[numbers] = {};  ///< PlaceField, from `state` on
    std::int64_t moved_millipx = 0;     ///< by which a moved piece lies off in the section, about its origin
  };
  struct State {
    std::vector<Row> rows;  ///< ascending (z, piece)
    std::int64_t sections = 0;
  };

  Contract contract(const Setup& setup) const;
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges& changes) const;
  State merge(State a, State b, const Join& join, const ReductionContext& context,
              NameChanges& changes) const;
  void settle(State&, const ReductionContext&, NameChanges&) const {}
  Bytes finish(State state, const ReductionContext& context) const;
  std::span<const Name> open_names(const State&) const { return {}; }
  void pack(const State& state, ByteWriter& writer) const;
  State unpack(ByteReader& reader, const ReductionContext& context) const;
};

}  // namespace petavox::open_folds
