#pragma once
// Stage `region_graph`: supervoxels and affinities in, the tables `region_graph` and `region_nodes` out.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

namespace petavox {

/// The two tables, for stages that make a region graph in another way, and for those that read one.
std::vector<OutPort> region_graph_tables();

class RegionGraphStage final : public Stage {
 public:
  static constexpr std::string_view name = "region_graph";
  static constexpr std::string_view summary =
      "for each pair of adjacent supervoxels: the sum and the number of affinities between them";
  explicit RegionGraphStage(Params&) {}

  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;
};

}  // namespace petavox
