#pragma once
// Stage `size_merge`: segments of fewer than min_size voxels join their best neighbours, as a reduction over
// the merge tree. Reads the tables of `region_graph`; renames the labels `supervoxels` to `merged`.

#include "petavox/stage/params.hpp"

#include "stages/size_merge/size_merge.hpp"

namespace petavox {

/// A Reduction (petavox/reduce/reduction.hpp).
class SizeMerge {
 public:
  static constexpr std::string_view name = "size_merge";
  static constexpr std::string_view summary = "joins segments with few voxels to their best neighbours";
  using State = size_merge::State;

  explicit SizeMerge(Params& params);
  explicit SizeMerge(const size_merge::Rule& rule, bool connected = true)
      : rule_{rule}, connected_{connected} {}

  Contract contract(const Setup& setup) const;
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges& changes) const;
  State merge(State a, State b, const Join& join, const ReductionContext& context, NameChanges&) const {
    return size_merge::united(std::move(a), std::move(b), join, context, connected_);
  }
  void settle(State& state, const ReductionContext& context, NameChanges& changes) const {
    if (connected_ || context.root()) size_merge::settle(state, rule_, context, connected_, changes);
  }
  Bytes finish(State, const ReductionContext&) const { return {}; }
  SpillVector<Name> open_names(const State& state) const;
  void pack(const State& state, ByteWriter& writer) const { size_merge::pack(state, writer); }
  State unpack(ByteReader& reader, const ReductionContext& context) const {
    return size_merge::unpack(reader, context);
  }

 private:
  size_merge::Rule rule_;
  bool connected_ = true;
};

}  // namespace petavox
