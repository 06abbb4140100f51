#include "stages/distance/distance.hpp"

#include "stages/distance/kernel.hpp"

#include <cmath>

namespace petavox {

Distance::Distance(Params& params)
    : max_distance_nm_{
          params.number("max_distance_nm", 300, {1e-3, 1e6},
                        "distances beyond are set to this; it is also what is read round a block")} {}

Contract Distance::contract(const Setup& setup) const {
  Contract c;
  InPort labels;
  labels.name = "labels";
  labels.volume = "segments";
  labels.kind = PortKind::labels;
  labels.reads.halo = distance::halo_of(distance::grid_of(setup.voxel_size_nm, max_distance_nm_));
  c.reads.push_back(labels);
  OutPort out;
  out.name = "distance";
  out.dtype = DType::f32;
  c.writes.push_back(out);
  c.scratch_bytes_per_voxel = 8;
  return c;
}

void Distance::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const {
  const auto grid = distance::grid_of(context.voxel_size_nm(), max_distance_nm_);
  const LabelArray labels = inputs.labels("labels");
  const Array squares = distance::squared(labels.ids, inputs.core(), grid);
  const auto from = squares.view<std::int32_t>().channel();
  const auto to = outputs.image("distance").view<float>().channel();
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i] = static_cast<float>(from[i] > grid.bound ? max_distance_nm_
                                                    : std::sqrt(static_cast<double>(from[i])) * grid.unit_nm);
}

}  // namespace petavox
