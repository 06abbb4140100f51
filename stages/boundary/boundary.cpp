#include "stages/boundary/boundary.hpp"

#include "petavox/volume/empty_voxels.hpp"

#include <array>

namespace petavox {

Boundary::Boundary(Params& params) {
  const boundary::Settings d;
  auto& s = settings_;
  s.mean =
      params.number("mean", d.mean, {-1e6, 1e6}, "intensity that counts as 0 (`normalize` makes it 128)");
  s.contrast = params.number("contrast", d.contrast, {1e-6, 1e6},
                             "intensity difference that counts as 1: the standard deviation of the image");
  s.bright =
      params.choice("polarity", "dark", {"dark", "bright"}, "membranes are dark or bright") == "bright";
  s.scales_nm = params.numbers("scales_nm", d.scales_nm, {0.1, 1000},
                               "standard deviations of the Gaussians at which ridges are sought");
  if (s.scales_nm.empty())
    params.problem("scales_nm",
                   "scales_nm is empty (there is no ridge to look for); give at least one scale");
  s.gradient_weight = params.number("gradient_weight", d.gradient_weight, {0, 10},
                                    "how much of the slope is subtracted: a step is not a ridge");
  s.context_nm =
      params.number("context_nm", d.context_nm, {0, 1000}, "standard deviation of the neighbourhood");
  s.context_weight =
      params.number("context_weight", d.context_weight, {0, 10},
                    "subtracted for each unit by which the neighbourhood is brighter than mean");
  s.context_floor = params.number("context_floor", d.context_floor, {-100, 100},
                                  "darker neighbourhoods count as this (mitochondria are not membranes)");
  s.offset = params.number("offset", d.offset, {-100, 100}, "response at and below which the affinity is 1");
  s.softness =
      params.number("softness", d.softness, {1e-6, 100}, "so far above `offset` the affinity is one half");
  skip_zeros_ = params.flag("skip_zeros", false,
                            "zeros are no data: nothing joins them, and beside them the filters see the "
                            "nearest voxels that hold something");
}

Contract Boundary::contract(const Setup& setup) const {
  const auto filters = boundary::filters_of(settings_, setup.voxel_size_nm);
  Contract c;
  InPort image;
  image.name = "image";
  image.volume = "input";
  const Halo reach = boundary::halo_of(filters);
  image.reads.halo = reach;
  // What stands for an empty voxel is sought as far again in its section as filters look.
  if (skip_zeros_)
    for (const int axis : {1, 2}) {
      image.reads.halo.low[axis] += reach.low[axis];
      image.reads.halo.high[axis] += reach.low[axis];
    }
  c.reads.push_back(image);
  OutPort affinities;
  affinities.name = "affinities";
  affinities.dtype = DType::u8;
  affinities.channels = 3;
  c.writes.push_back(affinities);
  // A few planes, whatever the block: at least this share of what is read if blocks have 64 planes.
  const auto& halo = image.reads.halo;
  const Index planes_read = std::min(setup.domain.shape().z, 64 + halo.low.z + halo.high.z);
  c.scratch_bytes_per_voxel =
      4.0 * boundary::num_planes(filters) / static_cast<double>(std::max<Index>(1, planes_read));
  // Which voxels hold something, and for one plane how far along the row the next one is.
  if (skip_zeros_)
    c.scratch_bytes_per_voxel += 1.0 + 4.0 / static_cast<double>(std::max<Index>(1, planes_read));
  return c;
}

void Boundary::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const {
  Array image = inputs.image("image");
  const auto filters = boundary::filters_of(settings_, context.voxel_size_nm());
  const auto out = outputs.image("affinities").view<std::uint8_t>();
  if (!skip_zeros_) return boundary::affinities_of(image, out, settings_, filters);
  const auto empty = empty_voxels(image, Box{out.box().begin - Extent::cube(1), out.box().end});
  if (empty.all) return;  // outputs begin as zeros
  fill_empty(image, boundary::halo_of(filters).low, settings_.mean);
  boundary::affinities_of(image, out, settings_, filters);
  leave_out(empty, std::array{Coord{1, 0, 0}, Coord{0, 1, 0}, Coord{0, 0, 1}}, out);
}

}  // namespace petavox
