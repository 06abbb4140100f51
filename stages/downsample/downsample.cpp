#include "stages/downsample/downsample.hpp"

#include "stages/downsample/kernel.hpp"

namespace petavox {

Downsample::Downsample(Params& params)
    : factor_{params.extent("factor", {0, 0, 0}, {0, 64},
                            "fine voxels per coarse voxel, z y x; 0: by voxel size")},
      halvings_{static_cast<int>(params.integer(
          "halvings", 1, {1, 5}, "steps towards isotropic voxels, where factor is 0: long axes wait"))},
      method_{params.choice("method", "mean", {"mean", "mode", "labels"},
                            "mean of an image, mode of an image of integer labels, or mode of objects")} {}

Extent Downsample::factor(const VoxelSizeNm& voxel_size_nm) const {
  Extent factor = factor_;
  const Extent automatic = downsample::factor_of(voxel_size_nm, halvings_);
  for (int k = 0; k < 3; ++k)
    if (factor[k] == 0) factor[k] = automatic[k];
  return factor;
}

Contract Downsample::contract(const Setup& setup) const {
  Contract c;
  const bool labels = method_ == "labels";
  InPort in;
  in.name = labels ? "labels" : "image";
  in.volume = "input";
  in.reads.factor = factor(setup.voxel_size_nm);
  OutPort out;
  out.name = in.name;
  out.factor = in.reads.factor;
  if (labels) {
    in.kind = out.kind = PortKind::labels;
  } else {
    in.accepts = method_ == "mean" ? DTypeSet{DType::u8,  DType::u16, DType::u32, DType::i8,
                                              DType::i16, DType::i32, DType::f32}
                                   : DTypeSet{DType::u8, DType::u16, DType::u32, DType::u64,
                                              DType::i8, DType::i16, DType::i32, DType::i64};
    in.channels = out.channels = 0;
  }
  c.reads.push_back(in);
  c.writes.push_back(out);
  if (labels) c.scratch_bytes_per_voxel = 1;  // tables of names
  return c;
}

void Downsample::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const {
  const Extent f = factor(context.voxel_size_nm());
  if (method_ == "labels")
    downsample::mode_of(inputs.labels("labels"), outputs.labels("labels"), f);
  else if (method_ == "mode")
    downsample::mode_of(inputs.image("image"), outputs.image("image"), f);
  else
    downsample::mean_of(inputs.image("image"), outputs.image("image"), f);
}

}  // namespace petavox
