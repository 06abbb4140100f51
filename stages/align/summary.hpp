#pragma once
// The summary of an alignment: quality by section, as JSON. A reduction whose state is one row of integers
// for each section, so that the order of addition cannot matter.

#include "petavox/reduce/reduction.hpp"

#include <span>

namespace petavox::align {

class AlignmentSummary {
 public:
  struct Row {
    std::int64_t z = 0, nodes = 0;
    std::int64_t states[6] = {};                                        ///< nodes by MatchState
    std::int64_t residual = 0, matched = 0;                             ///< in 1e-6 px; nodes with a residual
    std::int64_t before = 0, num_before = 0, after = 0, num_after = 0;  ///< correlations, in 1e-6
    std::int64_t least_area = 0, most_area = 0;                         ///< in 1e-6
  };
  struct State {
    std::vector<Row> rows;  ///< ascending z
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

}  // namespace petavox::align
