#include "stages/ffn/ffn.hpp"

#include "stages/ffn/canvas.hpp"
#include "stages/ffn/consensus.hpp"
#include "stages/ffn/seeds.hpp"
#include "stages/network/loading.hpp"
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
  Windows(Params& params, const Stitching& lattice) : lattice_{lattice} {
    const std::string path =
        params.file("model_path", "the network: a .pvm with an output of kind object; required");
    load(params, path);
    // What the model was trained for is the default.
    network::Flooding& flooding = settings_.flooding;
    constexpr NumberRange probability{1e-6, 1 - 1e-6};
    flooding.deltas = params.extent("deltas", flooding.deltas, {0, 127},
                                    "voxels by which the network moves; default: those of the model");
    flooding.initial = params.number("init_activation", flooding.initial, probability,
                                     "probability at the seed to begin with");
    flooding.pad = params.number("pad_value", flooding.pad, probability,
                                 "probability of voxels where the network has not been");
    flooding.move_threshold = params.number("move_threshold", flooding.move_threshold, probability,
                                            "probability that a voxel needs to be moved to");
    flooding.segment_threshold = params.number("segment_threshold", flooding.segment_threshold, probability,
                                               "probability that a voxel needs to belong to the object");
    settings_.freeze_share = params.number(
        "disco_seed_threshold", 0, {0, 1},
        "where a larger share of the field of view is of the object, background stays background; 1: never");
    settings_.min_boundary_distance =
        params.extent("min_boundary_dist", {1, 1, 1}, {0, 1024},
                      "seeds within so many voxels of an earlier object are passed over");
    settings_.min_size = static_cast<std::uint64_t>(
        params.integer("min_segment_size", 1000, {1, 1 << 30},
                       "objects that win fewer voxels in their window are given up"));
    consensus_ = params.flag(
        "consensus", false, "segment twice, with the seeds in both orders, and keep what both have together");
    skip_zeros_ = params.flag("skip_zeros", true, "windows without data (all voxels 0) are background");
    backend_ = network::ask_backend(params);
    check(params);
  }

  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort image;
    image.name = "image";
    image.volume = "input";
    image.channels = std::max(1, model_.input_channels - 1);
    image.reads.halo = Halo::symmetric(lattice_.overlap);
    c.reads.push_back(image);
    OutPort labels;
    labels.name = "labels";
    labels.kind = PortKind::labels;
    labels.window = Halo::symmetric(lattice_.overlap);
    c.writes.push_back(labels);
    c.subvolume = lattice_.subvolume;
    if (model_.layers.empty()) return c;
    check_windows(setup.domain);
    const double executable =
        network::executable_bytes(model_, output_.tensor, settings_.flooding.field_of_view, backend_) +
        4.0 * (model_.input_channels + 2) * static_cast<double>(settings_.flooding.field_of_view.voxels());
    c.scratch_bytes_per_voxel =
        4.0 * image.channels +
        std::max(ffn::seeds_bytes_per_voxel, ffn::segment_bytes_per_voxel + (consensus_ ? 4 : 0)) +
        network::per_voxel_read(executable, lattice_.subvolume, lattice_.overlap, setup.domain);
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    LabelArray& labels = outputs.labels("labels");
    const Box window = labels.ids.box();
    std::vector<float> image;
    {
      const Array voxels = inputs.image("image", window);
      if (skip_zeros_ && network::all_zero(voxels, window)) return;
      image.resize(static_cast<std::size_t>(voxels.channels() * window.voxels()));
      network::fill_window(voxels, window.begin, window.shape(), model_.mean, model_.deviation, image);
    }
    const std::optional<Array> mask = inputs.mask(window);
    const Extent field = settings_.flooding.field_of_view;
    std::vector<Coord> seeds =
        ffn::seeds(std::span<const float>{image}.first(static_cast<std::size_t>(window.voxels())), window,
                   mask, {field.z / 2, field.y / 2, field.x / 2}, [&](Coord p) { return context.random(p); });
    const auto lease =
        executables_.lease([&] { return network::compile(model_, output_.tensor, field, backend_); });
    const auto segment = [&](Array& ids) {
      const ffn::Work work = ffn::segment(
          image, mask, seeds, settings_,
          [&](std::span<const float> input, std::span<float> change) { lease->run(input, change); }, ids);
      return static_cast<std::uint32_t>(work.objects);
    };
    std::uint32_t count = segment(labels.ids);
    if (consensus_) {
      std::ranges::reverse(seeds);
      Array other{DType::u32, window};
      segment(other);
      count = ffn::intersect(labels.ids, other, settings_.min_size);
    }
    labels.names.assign(count, 0);
    const auto ids = labels.ids.view<std::uint32_t>();
    window.for_each([&](Coord p) {
      if (ids[p] != 0 && labels.names[ids[p] - 1] == 0)
        labels.names[ids[p] - 1] = name_of_voxel(context.domain(), p);
    });
  }

 private:
  void load(Params& params, const std::string& path) {
    if (path.empty()) {
      params.problem("model_path",
                     "model_path is missing (no flood-filling network comes with petavox); name a .pvm, for "
                     "example one that stages/network/train/convert_ffn.py has made");
      return;
    }
    model_ = network::ask_model(params, "model_path", path, "");
    for (const network::Output& output : model_.outputs)
      if (output.kind == network::OutputKind::object) {
        output_ = output;
        settings_.flooding = output.flooding;
        return;
      }
    if (model_.layers.empty()) return;
    params.problem("model_path", fmt::format("{} has no output of kind object (it is no flood-filling "
                                             "network); use the stage network",
                                             path));
    model_ = {};
  }

  void check(Params& params) const {
    if (model_.layers.empty()) return;
    const Extent field = settings_.flooding.field_of_view, deltas = settings_.flooding.deltas;
    for (int axis = 0; axis < 3; ++axis) {
      if (deltas[axis] > field[axis] / 2)
        return params.problem("deltas", fmt::format("{} reach out of the field of view of {} (there is no "
                                                    "face to look at); use at most half of it",
                                                    to_string(deltas), to_string(field)));
      if (lattice_.overlap[axis] < field[axis] / 2)
        return params.problem(
            "overlap", fmt::format("{} is less than half the field of view of {} (the network's middle never "
                                   "comes near the faces of a window, so the faces of cores would stay "
                                   "empty); use at least {}",
                                   to_string(lattice_.overlap), to_string(field), field[axis] / 2));
    }
    if (deltas == Extent{0, 0, 0})
      params.problem("deltas", "deltas are all 0 (the network would never move); use those of the model");
  }

  /// Throws unless the network fits into every window.
  void check_windows(const Box& domain) const {
    if (domain.voxels() == 1) return;  // not known yet
    for (int axis = 0; axis < 3; ++axis) {
      const Index field = settings_.flooding.field_of_view[axis];
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
  network::Model model_;
  network::Output output_;
  ffn::Settings settings_;
  bool consensus_ = false, skip_zeros_ = true;
  network::BackendSettings backend_;
  network::Executables executables_;
};

}  // namespace

StageType ffn_stage() {
  return {"ffn", "objects by a flood-filling network", "built-in", [](Params& params) {
            return stitched_program<Windows>(params,
                                             Stitching{params, Extent{192, 192, 192}, Extent{32, 32, 32}});
          }};
}

}  // namespace petavox
