#pragma once
// The summary of a placement: what was found of each section, as JSON. A reduction whose state is one row of
// numbers for each pair of sections.

#include "petavox/reduce/reduction.hpp"

#include "stages/place_sections/evidence.hpp"

#include <span>

namespace petavox::place_sections {

class PlacementReport {
 public:
  struct Row {
    std::int64_t z = 0, back = 0;
    std::int64_t values[evidence_channels] = {};
  };
  struct State {
    std::vector<Row> rows;  ///< ascending (z, back)
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

}  // namespace petavox::place_sections
