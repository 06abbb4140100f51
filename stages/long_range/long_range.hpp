#pragma once
// Stage `long_range`: long-range affinities from those of nearest neighbours, for `mutex_watershed`.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

namespace petavox {

class LongRange final : public Stage {
 public:
  static constexpr std::string_view name = "long_range";
  static constexpr std::string_view summary = "long-range affinities: the least along the straight line";

  explicit LongRange(Params& params);
  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  std::vector<Extent> offsets_;
};

}  // namespace petavox
