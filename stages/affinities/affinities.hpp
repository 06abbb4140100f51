#pragma once
// Stage `affinities`: imports affinities or membrane maps made elsewhere; the config states their convention.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

#include "stages/affinities/kernel.hpp"

#include <optional>

namespace petavox {

class Affinities final : public Stage {
 public:
  static constexpr std::string_view name = "affinities";
  static constexpr std::string_view summary = "imports affinities or membrane maps made elsewhere";

  explicit Affinities(Params& params);
  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  affinities::Convention convention_;
  std::optional<std::vector<double>> range_;
  DType dtype_;
  int channels_;
  bool keep_all_ = false;
};

}  // namespace petavox
