#include "stages/network/network_stage.hpp"

#include "stages/network/builtin_models.hpp"
#include "stages/network/window.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox {
namespace {

/// True if the first three channels are the affinities that petavox segments with.
bool has_nearest(const network::Output& output) {
  const std::vector<Coord> nearest{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  return output.offsets.size() >= 3 && std::equal(nearest.begin(), nearest.end(), output.offsets.begin());
}

}  // namespace

NetworkStage::NetworkStage(Params& params) {
  const auto builtin = network::builtin_models();
  const std::string chosen = params.choice("model", builtin.front(), builtin,
                                           "a model that comes with petavox; not used if model_path is set");
  const std::string path = params.file("model_path", "a model of your own (.pvm)");
  const std::string wanted = params.text("output", "", "name of the model's output; empty: its first");
  const bool all = params.flag("all_channels", false,
                               "write long-range affinities too, not only those of the nearest voxels");
  const std::string classes =
      params.choice("classes", "probabilities", {"probabilities", "types", "mask"},
                    "of an output of classes: a channel each, the most probable one, or where that is kept");
  const auto kept = params.texts("keep", {}, "the classes of which the mask is made");
  const Extent core =
      params.extent("window", {0, 0, 0}, {0, 4096},
                    "voxels that a window contributes; 0: so that it computes about 128^3 or 24x256x256");
  const Extent margin =
      params.extent("margin", {-1, -1, -1}, {-1, 1024},
                    "voxels by which a window reaches beyond that; -1: what the model recommends");
  skip_zeros_ = params.flag(
      "skip_zeros", true,
      "zeros are no data: nothing joins them, they are of no class, beside them the network sees the "
      "nearest voxels that hold something, and windows of them cost nothing");
  flips_ =
      params.choice("augment", "none", {"none", "flips"},
                    "flips: the mean over the eight mirrorings of each window, at eight times the cost") ==
      "flips";
  const std::string key = path.empty() ? "model" : "model_path";
  model_ = network::ask_model(params, key, path, chosen);
  backend_ = network::ask_backend(params, model_, key);
  if (model_.layers.empty()) return;
  choose_output(params, wanted);
  channels_ = model_.channels_of(output_.tensor);
  if (!all && output_.kind == network::OutputKind::affinities && has_nearest(output_)) channels_ = 3;
  if (output_.kind == network::OutputKind::probabilities) choose_classes(params, classes, kept);
  choose_window(params, core, margin);
  if (flips_) check_flips(params);
}

void NetworkStage::check_flips(Params& params) const {
  Extent longest{0, 0, 0};
  for (const Coord& offset : output_.offsets) {
    int axes = 0;
    for (int axis = 0; axis < 3; ++axis) {
      longest[axis] = std::max(longest[axis], std::abs(offset[axis]));
      axes += offset[axis] != 0;
    }
    if (axes > 1) {
      params.problem("augment", fmt::format("the model has a diagonal offset, {} (mirrored, it is another "
                                            "one); write none",
                                            to_string(offset)));
      return;
    }
  }
  for (int axis = 0; axis < 3; ++axis)
    if (margin_[axis] < longest[axis])
      params.problem("augment",
                     fmt::format("the margin {} is less than the longest offset of the model, {} (a pair in "
                                 "the mirrored window would lie outside of it); set margin to at least that",
                                 to_string(margin_), to_string(longest)));
}

void NetworkStage::choose_classes(Params& params, const std::string& classes,
                                  const std::vector<std::string>& kept) {
  if (classes == "probabilities") return;
  channels_ = 1;
  port_ = classes == "types" ? "voxel_types" : "mask";
  for (std::size_t k = 0; k < output_.classes.size(); ++k) {
    const bool keep = std::ranges::find(kept, output_.classes[k]) != kept.end();
    values_.push_back(static_cast<std::uint8_t>(classes == "types" ? k + 1 : keep ? 1 : 0));
  }
  if (output_.classes.size() > 255)
    params.problem("classes", fmt::format("the model has {} classes (one byte holds 255 and no data); write "
                                          "probabilities",
                                          output_.classes.size()));
  for (const std::string& name : kept)
    if (std::ranges::find(output_.classes, name) == output_.classes.end())
      params.problem("keep", fmt::format("'{}' is no class of the model (nothing would be kept for it); it "
                                         "has: {}",
                                         name, fmt::join(output_.classes, ", ")));
  if (classes == "mask" && kept.empty())
    params.problem("keep", fmt::format("no class is kept (the mask would be empty); name some of: {}",
                                       fmt::join(output_.classes, ", ")));
}

void NetworkStage::choose_output(Params& params, const std::string& wanted) {
  output_ = model_.outputs.front();
  std::string names;
  for (const network::Output& output : model_.outputs) {
    if (output.name == wanted) output_ = output;
    names += (names.empty() ? "" : ", ") + output.name;
  }
  if (!wanted.empty() && output_.name != wanted)
    params.problem(
        "output",
        fmt::format("'{}' is no output of the model (there would be no result); it has: {}", wanted, names));
  if (output_.kind == network::OutputKind::object)
    params.problem("output", fmt::format("'{}' is of a flood-filling network (it follows one object, not a "
                                         "window); use the stage ffn",
                                         output_.name));
}

void NetworkStage::choose_window(Params& params, Extent core, Extent margin) {
  const Extent multiple = model_.multiple;
  const bool flat = multiple.z < multiple.x;
  const Extent computed = flat ? Extent{24, 256, 256} : Extent{128, 128, 128};
  for (int axis = 0; axis < 3; ++axis) {
    // The margin is a multiple too, so that the coarse grids of all windows coincide.
    const Index wanted = margin[axis] < 0 ? model_.margin[axis] : margin[axis];
    margin_[axis] = ceil_div(wanted, multiple[axis]) * multiple[axis];
    const Index automatic = std::max(multiple[axis], computed[axis] - 2 * margin_[axis]);
    core_[axis] = ceil_div(core[axis] > 0 ? core[axis] : automatic, multiple[axis]) * multiple[axis];
    window_[axis] = core_[axis] + 2 * margin_[axis];
    if (core[axis] > 0 && core[axis] != core_[axis])
      params.problem("window",
                     fmt::format("{} is no multiple of {} (the network halves the window that often); "
                                 "choose {}",
                                 core[axis], multiple[axis], core_[axis]));
  }
}

Contract NetworkStage::contract(const Setup& setup) const {
  Contract c;
  InPort image;
  image.name = "image";
  image.volume = "input";
  image.channels = model_.input_channels;
  image.reads.halo = Halo::symmetric(margin_);
  c.reads.push_back(image);
  OutPort out;
  out.name = port();
  out.dtype = DType::u8;
  out.channels = channels_;
  c.writes.push_back(out);
  c.subvolume = core_;
  if (model_.layers.empty()) return c;
  const int computed_channels = model_.input_channels + model_.channels_of(output_.tensor);
  const double buffers = flips_ ? 2.0 : 1.0;
  const double bytes =
      network::executable_bytes(model_, output_.tensor, window_, backend_) +
      (4.0 * buffers * computed_channels + (skip_zeros_ ? 1.0 : 0.0)) * static_cast<double>(window_.voxels());
  c.scratch_bytes_per_voxel = network::per_voxel_read(bytes, core_, margin_, setup.domain);
  return c;
}

void NetworkStage::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const {
  const Box core = inputs.core();
  Array image = inputs.image("image");
  if (skip_zeros_ && network::all_zero(image, core)) return;
  const EmptyVoxels empty = without_empty(image);
  const Coord begin = core.begin - margin_;
  std::vector<float> in(static_cast<std::size_t>(model_.input_channels * window_.voxels()));
  network::fill_window(image, begin, window_, model_.mean, model_.deviation, in);
  std::vector<float> result(static_cast<std::size_t>(model_.channels_of(output_.tensor) * window_.voxels()));
  {
    const auto executable =
        executables_.lease([this] { return network::compile(model_, output_.tensor, window_, backend_); });
    if (flips_)
      average(*executable, in, result);
    else
      executable->run(in, result);
  }
  const auto out = outputs.image(port()).view<std::uint8_t>();
  if (values_.empty())
    network::store_window(result, begin, window_, output_.offsets, out);
  else
    network::store_types(result, begin, window_, values_, out);
  leave_out(empty, output_.offsets, out);
}

EmptyVoxels NetworkStage::without_empty(Array& image) const {
  if (!skip_zeros_ || image.channels() != 1) return {};
  EmptyVoxels empty = empty_voxels(image, image.box());
  if (empty.any) fill_empty(image, margin_, model_.mean);
  return empty;
}

void NetworkStage::average(network::Executable& executable, std::span<const float> image,
                           std::span<float> result) const {
  std::fill(result.begin(), result.end(), 0.0F);
  std::vector<float> flipped(image.size()), said(result.size());
  // In this order for every voxel: sums of floats depend on it.
  for (int number = 0; number < network::Flips::count; ++number) {
    const auto flips = network::Flips::of(number);
    network::flip_window(image, window_, flips, flipped);
    executable.run(flipped, said);
    network::add_flipped(said, window_, flips, output_.offsets, result);
  }
  for (float& value : result) value *= 1.0F / network::Flips::count;
}

std::string NetworkStage::port() const {
  if (!port_.empty()) return port_;
  return output_.name.empty() ? "affinities" : output_.name;
}

}  // namespace petavox
