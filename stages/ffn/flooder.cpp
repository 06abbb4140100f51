#include "stages/ffn/flooder.hpp"

#include "stages/network/window.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox::ffn {

Flooder::Flooder(Params& params) {
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
  backend_ = network::ask_backend(params, model_, "model_path");
  check(params);
}

void Flooder::load(Params& params, const std::string& path) {
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

void Flooder::check(Params& params) {
  if (!ready()) return;
  const Extent field = field_of_view(), deltas = settings_.flooding.deltas;
  for (int axis = 0; axis < 3; ++axis)
    if (deltas[axis] > field[axis] / 2)
      return params.problem("deltas", fmt::format("{} reach out of the field of view of {} (there is no "
                                                  "face to look at); use at most half of it",
                                                  to_string(deltas), to_string(field)));
  if (deltas == Extent{0, 0, 0})
    params.problem("deltas", "deltas are all 0 (the network would never move); use those of the model");
}

InPort Flooder::image_port(Extent halo) const {
  InPort image;
  image.name = "image";
  image.volume = "input";
  image.channels = std::max(1, model_.input_channels - 1);
  image.reads.halo = Halo::symmetric(halo);
  return image;
}

double Flooder::bytes() const {
  if (!ready()) return 0;
  return network::executable_bytes(model_, output_.tensor, field_of_view(), backend_) +
         4.0 * (model_.input_channels + 2) * static_cast<double>(field_of_view().voxels());
}

std::vector<float> Flooder::image(const Array& voxels, const Box& box) const {
  std::vector<float> image(static_cast<std::size_t>(voxels.channels() * box.voxels()));
  network::fill_window(voxels, box.begin, box.shape(), model_.mean, model_.deviation, image);
  return image;
}

void Flooder::with_network(FunctionRef<void(Network)> use) const {
  const auto lease =
      executables_.lease([&] { return network::compile(model_, output_.tensor, field_of_view(), backend_); });
  const auto call = [&](std::span<const float> input, std::span<float> change) { lease->run(input, change); };
  use(call);
}

}  // namespace petavox::ffn
