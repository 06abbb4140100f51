#pragma once
// Stage `normalize`: evens out brightness and contrast, section by section or in 3D. Writes uint8.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

#include "stages/normalize/kernel.hpp"

namespace petavox {

class Normalize final : public Stage {
 public:
  static constexpr std::string_view name = "normalize";
  static constexpr std::string_view summary = "evens out brightness and contrast, per section or locally";

  explicit Normalize(Params& params);
  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  normalize::Settings settings_;
};

}  // namespace petavox
