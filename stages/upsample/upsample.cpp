#include "stages/upsample/upsample.hpp"

#include <fmt/format.h>

namespace petavox {
namespace upsample {

void repeat(const LabelArray& coarse, LabelArray& fine, Extent factor) {
  const auto in = coarse.ids.view<std::uint32_t>();
  const auto out = fine.ids.view<std::uint32_t>();
  const Box& box = out.box();
  std::vector<std::uint32_t> new_id(coarse.names.size() + 1, 0);
  fine.names.clear();
  for (Index z = box.begin.z; z < box.end.z; ++z)
    for (Index y = box.begin.y; y < box.end.y; ++y) {
      const auto from = in.row(floor_div(z, factor.z), floor_div(y, factor.y));
      const auto to = out.row(z, y);
      for (Index x = box.begin.x; x < box.end.x; ++x) {
        const std::uint32_t id = from[static_cast<std::size_t>(floor_div(x, factor.x) - in.box().begin.x)];
        if (id != 0 && new_id[id] == 0) {
          fine.names.push_back(coarse.name(id));
          new_id[id] = static_cast<std::uint32_t>(fine.names.size());
        }
        to[static_cast<std::size_t>(x - box.begin.x)] = new_id[id];
      }
    }
}

}  // namespace upsample

Upsample::Upsample(Params& params)
    : factor_{params.extent("factor", {1, 2, 2}, {1, 64}, "fine voxels per coarse voxel, z y x")} {}

Contract Upsample::contract(const Setup&) const {
  Contract c;
  InPort grid;
  grid.name = "image";
  grid.volume = "input";
  grid.channels = 0;
  grid.reads.held_voxels = 1;  // for its domain alone
  c.reads.push_back(grid);
  InPort labels;
  labels.name = "labels";
  labels.volume = "segments";
  labels.kind = PortKind::labels;
  labels.reads.divisor = factor_;
  c.reads.push_back(labels);
  OutPort out;
  out.name = "labels";
  out.kind = PortKind::labels;
  c.writes.push_back(out);
  c.scratch_bytes_per_voxel = 1;  // tables of names
  return c;
}

void Upsample::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const {
  const LabelArray coarse = inputs.labels("labels");
  const Box wanted = coarsened(context.domain(), factor_);
  if (coarse.ids.domain() != wanted)
    throw Error{
        ErrorCode::config,
        fmt::format("the labels cover {} of their own voxels, {} are needed for factor {} (they would "
                    "be put in the wrong place); set factor to that by which their image was made coarser",
                    to_string(coarse.ids.domain()), to_string(wanted), to_string(factor_))};
  upsample::repeat(coarse, outputs.labels("labels"), factor_);
}

}  // namespace petavox
