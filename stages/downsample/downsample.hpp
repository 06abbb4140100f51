#pragma once
// Stage `downsample`: a coarser volume. The mean of images, the mode of labels, factors by voxel size.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

namespace petavox {

class Downsample final : public Stage {
 public:
  static constexpr std::string_view name = "downsample";
  static constexpr std::string_view summary = "a coarser volume: the mean of images, the mode of labels";

  explicit Downsample(Params& params);
  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  Extent factor(const VoxelSizeNm& voxel_size_nm) const;

  Extent factor_;  ///< 0: by voxel size
  int halvings_;
  std::string method_;
};

}  // namespace petavox
