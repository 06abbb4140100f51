#pragma once
// Stage `upsample`: labels of a coarser volume on the voxels of a finer one.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"
#include "petavox/volume/label_array.hpp"

namespace petavox {

namespace upsample {

/// The labels of `fine_box`: each voxel gets what the coarse voxel has that it lies in (of absolute
/// coordinates, as in `downsample`). `coarse` holds all of coarsened(fine_box, factor). Names are kept; only
/// those that occur are listed. Fills fine.ids, whose box is fine_box, and fine.names.
void repeat(const LabelArray& coarse, LabelArray& fine, Extent factor);

}  // namespace upsample

class Upsample final : public Stage {
 public:
  static constexpr std::string_view name = "upsample";
  static constexpr std::string_view summary = "labels of a coarser volume on the voxels of a finer one";

  explicit Upsample(Params& params);
  Contract contract(const Setup& setup) const override;
  /// Throws Error{config} if the labels are not on the grid that `factor` makes of the finer one.
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  Extent factor_;
};

}  // namespace petavox
