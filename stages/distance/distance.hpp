#pragma once
// Stage `distance`: how far each voxel is from the nearest one of another label, up to a bound.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

namespace petavox {

class Distance final : public Stage {
 public:
  static constexpr std::string_view name = "distance";
  static constexpr std::string_view summary = "Euclidean distance to the nearest voxel of another label";

  explicit Distance(Params& params);
  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  double max_distance_nm_;
};

}  // namespace petavox
