#include "stages/affinities/affinities.hpp"

namespace petavox {
namespace {

/// Full scale of an input type if the config gives no range: [0, max] of integers, [0, 1] of floats.
double full_scale(DType type) {
  return visit_dtype(type, []<class T>(std::type_identity<T>) {
    return std::is_floating_point_v<T> ? 1.0 : static_cast<double>(std::numeric_limits<T>::max());
  });
}

}  // namespace

Affinities::Affinities(Params& params) {
  convention_.membrane =
      params.choice("kind", "affinities", {"affinities", "membrane"},
                    "affinities of voxel pairs, or one map of membrane probability") == "membrane";
  const std::string order = params.choice("channel_order", "zyx", {"zyx", "xyz", "zxy", "xzy", "yzx", "yxz"},
                                          "axes of the input's first three channels");
  for (std::size_t axis = 0; axis < 3; ++axis)
    convention_.channel[axis] = static_cast<int>(order.find("zyx"[axis]));
  convention_.upper = params.choice("neighbour", "lower", {"lower", "upper"},
                                    "the value at v belongs to the pair (v, v-1) or (v, v+1)") == "upper";
  const std::string high = params.choice("high_values", "default", {"default", "join", "separate"},
                                         "what high values do; default: affinities join, membranes separate");
  convention_.invert = high == "separate" || (high == "default" && convention_.membrane);
  const auto range =
      params.numbers("range", {}, {-1e30, 1e30},
                     "[low, high] of the input; by default [0, 1] for floats, full scale for integers");
  if (!range.empty()) {
    if (range.size() != 2 || !(range[0] < range[1]))
      params.problem("range",
                     "range is not two ascending numbers (it maps the input to 0..1); write [low, high]");
    else
      range_ = range;
  }
  const std::string combine =
      params.choice("combine", "mean", {"mean", "min", "max"},
                    "affinity of a pair from those of its two voxels, for membrane maps");
  convention_.combine = combine == "mean"  ? affinities::Combine::mean
                        : combine == "min" ? affinities::Combine::min
                                           : affinities::Combine::max;
  dtype_ = params.choice("dtype", "uint8", {"uint8", "uint16"}, "fixed point of the output") == "uint8"
               ? DType::u8
               : DType::u16;
  channels_ = static_cast<int>(
      params.integer("channels", convention_.membrane ? 1 : 3, {1, 64},
                     "channels of the input; those after the third are used with long_range only"));
  keep_all_ =
      params.flag("long_range", false,
                  "keep the channels after the third, each where the input stores it, for mutex_watershed");
  if (!convention_.membrane && channels_ < 3)
    params.problem("channels",
                   "channels is less than 3 (affinities need one for each axis); use kind: membrane");
  if (convention_.membrane && keep_all_)
    params.problem("long_range",
                   "a membrane map has no long-range affinities (it has one value a voxel); use the stage "
                   "long_range behind this one");
}

Contract Affinities::contract(const Setup&) const {
  Contract c;
  InPort in;
  in.name = "image";
  in.volume = "input";
  in.channels = channels_;
  in.reads.halo = affinities::halo_of(convention_);
  c.reads.push_back(in);
  OutPort out;
  out.name = "affinities";
  out.dtype = dtype_;
  out.channels = keep_all_ ? channels_ : 3;
  c.writes.push_back(out);
  return c;
}

void Affinities::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const {
  const Array in = inputs.image("image");
  auto convention = convention_;
  convention.zero = range_ ? (*range_)[0] : 0;
  convention.one = range_ ? (*range_)[1] : full_scale(in.dtype());
  affinities::import(in, outputs.image("affinities"), convention);
}

}  // namespace petavox
