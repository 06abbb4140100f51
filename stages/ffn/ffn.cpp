#include "stages/ffn/ffn.hpp"

#include "stages/ffn/consensus.hpp"
#include "stages/ffn/flooder.hpp"
#include "stages/ffn/seeds.hpp"
#include "stages/network/window.hpp"
#include "stages/stitch/stitch.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox {
namespace {

/// Voxels of the thinnest window of a lattice along an axis.
Index thinnest(Index extent, Index subvolume, Index overlap) {
  const Index count = ceil_div(extent, subvolume), last = extent - (count - 1) * subvolume;
  if (count == 1) return extent;
  return std::min(subvolume, last) + overlap;
}

/// First step: the objects of each subvolume's window.
class Windows final : public Stage {
 public:
  Windows(Params& params, const Stitching& lattice) : lattice_{lattice}, flooder_{params} {
    ffn::Settings& settings = flooder_.settings();
    settings.min_boundary_distance =
        params.extent("min_boundary_dist", {1, 1, 1}, {0, 1024},
                      "seeds within so many voxels of an earlier object are passed over");
    settings.min_size = static_cast<std::uint64_t>(
        params.integer("min_segment_size", 1000, {1, 1 << 30},
                       "objects that win fewer voxels in their window are given up"));
    consensus_ = params.flag(
        "consensus", false, "segment twice, with the seeds in both orders, and keep what both have together");
    skip_zeros_ = params.flag("skip_zeros", true, "windows without data (all voxels 0) are background");
    check_overlap(params);
  }

  Contract contract(const Setup& setup) const override {
    Contract c;
    c.reads = {flooder_.image_port(lattice_.overlap)};
    OutPort labels;
    labels.name = "labels";
    labels.kind = PortKind::labels;
    labels.window = Halo::symmetric(lattice_.overlap);
    c.writes.push_back(labels);
    c.subvolume = lattice_.subvolume;
    if (!flooder_.ready()) return c;
    check_windows(setup.domain);
    c.scratch_bytes_per_voxel =
        4.0 * c.reads.front().channels +
        std::max(ffn::seeds_bytes_per_voxel, ffn::segment_bytes_per_voxel + (consensus_ ? 4 : 0)) +
        network::per_voxel_read(flooder_.bytes(), lattice_.subvolume, lattice_.overlap, setup.domain);
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    LabelArray& labels = outputs.labels("labels");
    const Box window = labels.ids.box();
    std::vector<float> image;
    {
      const Array voxels = inputs.image("image", window);
      if (skip_zeros_ && network::all_zero(voxels, window)) return;
      image = flooder_.image(voxels, window);
    }
    const std::optional<Array> mask = inputs.mask(window);
    const Extent field = flooder_.field_of_view();
    std::vector<Coord> seeds =
        ffn::seeds(std::span<const float>{image}.first(static_cast<std::size_t>(window.voxels())), window,
                   mask, {field.z / 2, field.y / 2, field.x / 2}, [&](Coord p) { return context.random(p); });
    std::uint32_t count = 0;
    flooder_.with_network([&](ffn::Network network) {
      const auto segment = [&](Array& ids) {
        const ffn::Work work = ffn::segment(image, mask, seeds, flooder_.settings(), network, ids);
        return static_cast<std::uint32_t>(work.objects);
      };
      count = segment(labels.ids);
      if (!consensus_) return;
      std::ranges::reverse(seeds);
      Array other{DType::u32, window};
      segment(other);
      count = ffn::intersect(labels.ids, other, flooder_.settings().min_size);
    });
    labels.names.assign(count, 0);
    const auto ids = labels.ids.view<std::uint32_t>();
    window.for_each([&](Coord p) {
      if (ids[p] != 0 && labels.names[ids[p] - 1] == 0)
        labels.names[ids[p] - 1] = name_of_voxel(context.domain(), p);
    });
  }

 private:
  void check_overlap(Params& params) const {
    if (!flooder_.ready()) return;
    const Extent field = flooder_.field_of_view();
    for (int axis = 0; axis < 3; ++axis)
      if (lattice_.overlap[axis] < field[axis] / 2)
        return params.problem(
            "overlap", fmt::format("{} is less than half the field of view of {} (the network's middle never "
                                   "comes near the faces of a window, so the faces of cores would stay "
                                   "empty); use at least {}",
                                   to_string(lattice_.overlap), to_string(field), field[axis] / 2));
  }

  /// Throws unless the network fits into every window.
  void check_windows(const Box& domain) const {
    if (domain.voxels() == 1) return;  // not known yet
    for (int axis = 0; axis < 3; ++axis) {
      const Index field = flooder_.field_of_view()[axis];
      const Index thin = thinnest(domain.shape()[axis], lattice_.subvolume[axis], lattice_.overlap[axis]);
      if (thin < field)
        throw Error{
            ErrorCode::config,
            fmt::format("a window of ffn has {} voxels on axis {}, and the field of view {} (nothing could "
                        "be segmented in it); use an overlap of {}, another subvolume or a larger input",
                        thin, axis, field, field - 1)};
    }
  }

  Stitching lattice_;
  ffn::Flooder flooder_;
  bool consensus_ = false, skip_zeros_ = true;
};

}  // namespace

StageType ffn_stage() {
  return {"ffn", "objects by a flood-filling network", "built-in", [](Params& params) {
            return stitched_program<Windows>(params,
                                             Stitching{params, Extent{192, 192, 192}, Extent{32, 32, 32}});
          }};
}

}  // namespace petavox
