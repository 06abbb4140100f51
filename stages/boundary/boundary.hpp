#pragma once
// Stage `boundary`: affinities from raw electron micrographs by a classical membrane detector, nothing to
// train. Reads one channel; writes three of uint8, z, y, x: channel k at v is the affinity of (v, v-1 on k).

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

#include "stages/boundary/kernel.hpp"

namespace petavox {

class Boundary final : public Stage {
 public:
  static constexpr std::string_view name = "boundary";
  static constexpr std::string_view summary = "affinities from raw EM by a ridge filter (no training)";

  explicit Boundary(Params& params);
  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  boundary::Settings settings_;
  bool skip_zeros_ = false;
};

}  // namespace petavox
