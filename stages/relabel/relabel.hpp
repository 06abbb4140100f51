#pragma once
// Stage `relabel`: the names of objects as they go into the final volume: as they are (first voxel + 1), or
// dense, 1..N in the order of names.

#include "petavox/reduce/reduction.hpp"
#include "petavox/stage/registry.hpp"

namespace petavox {

/// A sorted list of names that travels to the root and is numbered there: docs/invariance.md.
/// State: 8 bytes for each name in the box; merging streams.
class DenseNumbers {
 public:
  struct State {
    SpillVector<Name> names;  ///< ascending, each once
  };
  Contract contract(const Setup& setup) const;
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges& changes) const;
  State merge(State a, State b, const Join& join, const ReductionContext& context,
              NameChanges& changes) const;
  void settle(State& state, const ReductionContext& context, NameChanges& changes) const;
  Bytes finish(State state, const ReductionContext& context) const;
  const SpillVector<Name>& open_names(const State& state) const { return state.names; }
  void pack(const State& state, ByteWriter& writer) const;
  State unpack(ByteReader& reader, const ReductionContext& context) const;
};

StageType relabel_stage();

}  // namespace petavox
