#pragma once
// Stage `size_filter`: objects of fewer than min_size voxels become background.

#include "petavox/reduce/reduction.hpp"
#include "petavox/stage/registry.hpp"

namespace petavox {

/// Sums the voxels of each name over the merge tree: docs/invariance.md.
/// State: 24 bytes for each name that may go on outside the box; merging streams.
class SizeFilter {
 public:
  /// `connected`: names are first voxels of objects that hang together through faces, edges or corners; these
  /// settle where they are complete. Otherwise all settle at the root.
  SizeFilter(std::uint64_t min_size, bool connected) : min_size_{min_size}, connected_{connected} {}

  struct Part {
    Name name = 0;
    std::uint64_t voxels = 0, faces = 0;
  };
  struct State {
    SpillVector<Part> parts;  ///< ascending by name, each once
  };
  Contract contract(const Setup& setup) const;
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges& changes) const;
  State merge(State a, State b, const Join& join, const ReductionContext& context,
              NameChanges& changes) const;
  void settle(State& state, const ReductionContext& context, NameChanges& changes) const;
  Bytes finish(State state, const ReductionContext& context) const;
  auto open_names(const State& state) const {
    return state.parts.span() | std::views::transform(&Part::name);
  }
  void pack(const State& state, ByteWriter& writer) const;
  State unpack(ByteReader& reader, const ReductionContext& context) const;

 private:
  std::uint64_t min_size_;
  bool connected_;
};

StageType size_filter_stage();

}  // namespace petavox
