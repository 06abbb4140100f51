#pragma once
// Stage `agglomerate`: joins supervoxels to segments by mean-affinity linkage, as a reduction over the merge
// tree. Reads the tables of `region_graph`; renames the labels `supervoxels` to `segments`.
// Supervoxels that are connected (through faces, edges or corners) and called by their first voxel are linked
// as soon as a box holds them; others only at the root.

#include "petavox/stage/params.hpp"

#include "stages/agglomerate/linkage.hpp"

namespace petavox {

/// A Reduction (petavox/reduce/reduction.hpp).
class Agglomerate {
 public:
  static constexpr std::string_view name = "agglomerate";
  static constexpr std::string_view summary =
      "joins supervoxels while the mean affinity between them reaches a threshold";
  using State = agglomerate::ContactGraph;

  explicit Agglomerate(Params& params);
  explicit Agglomerate(const agglomerate::MergeRule& rule, bool connected = true)
      : rule_{rule}, connected_{connected} {}
  const agglomerate::MergeRule& rule() const { return rule_; }

  Contract contract(const Setup& setup) const;
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges& changes) const;
  State merge(State a, State b, const Join& join, const ReductionContext& context, NameChanges&) const {
    return agglomerate::united(std::move(a), std::move(b), join, context, connected_);
  }
  void settle(State& state, const ReductionContext& context, NameChanges& changes) const;
  Bytes finish(State, const ReductionContext&) const { return {}; }
  SpillVector<Name> open_names(const State& state) const;
  void pack(const State& state, ByteWriter& writer) const { agglomerate::pack(state, writer); }
  State unpack(ByteReader& reader, const ReductionContext& context) const {
    return agglomerate::unpack(reader, context);
  }

 private:
  agglomerate::MergeRule rule_;
  bool connected_ = true;
};

}  // namespace petavox
