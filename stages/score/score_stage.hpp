#pragma once
// Stage `score`: compares labels with a truth volume, as a reduction over the merge tree that ends in a
// summary.

#include "petavox/stage/params.hpp"
#include "petavox/stage/tree_reduction.hpp"

#include "stages/score/contingency.hpp"

namespace petavox {

class ScoreStage final : public TreeReduction {
 public:
  static constexpr std::string_view name = "score";
  static constexpr std::string_view summary =
      "VOI, adapted Rand, V_rand, V_info and CREMI score against a truth";
  explicit ScoreStage(Params& params);
  explicit ScoreStage(score::Counting counting, bool connected = false)
      : counting_{std::move(counting)}, connected_{connected} {}

  Contract contract(const Setup& setup) const override;
  NodeResult leaf(const BlockInputs& inputs, const NodeContext& context) const override;
  NodeResult node(const std::vector<ChildState>& children, const NodeContext& context) const override;

 private:
  score::Counting counting_;
  bool connected_;
};

}  // namespace petavox
