#pragma once
// Stage `agglomerate`: joins supervoxels to segments by mean-affinity linkage, as a reduction over the merge
// tree. Reads the tables of `region_graph`; renames the labels `supervoxels` to `segments`.

#include "petavox/stage/params.hpp"
#include "petavox/stage/tree_reduction.hpp"

#include "stages/agglomerate/merge_rule.hpp"

namespace petavox {

class AgglomerateStage final : public TreeReduction {
 public:
  static constexpr std::string_view name = "agglomerate";
  static constexpr std::string_view summary =
      "joins supervoxels while the mean affinity between them reaches a threshold";
  explicit AgglomerateStage(Params& params);
  explicit AgglomerateStage(const agglomerate::MergeRule& rule) : rule_{rule} {}

  Contract contract(const Setup& setup) const override;
  NodeResult leaf(const BlockInputs& inputs, const NodeContext& context) const override;
  NodeResult node(const std::vector<ChildState>& children, const NodeContext& context) const override;

  const agglomerate::MergeRule& rule() const { return rule_; }

 private:
  agglomerate::MergeRule rule_;
};

}  // namespace petavox
