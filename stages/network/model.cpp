#include "stages/network/model.hpp"

#include "petavox/base/bytes.hpp"
#include "petavox/base/checked.hpp"

#include "stages/network/model_reader.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <zlib.h>

namespace petavox::network {
namespace {

constexpr std::size_t prefix_bytes = 32;
constexpr std::uint32_t max_header_bytes = 4U << 20;
constexpr std::size_t max_layers = 1024, max_outputs = 16;
constexpr std::int64_t max_channels = 1024, max_margin = 1024;
constexpr double max_bytes_per_voxel = 1e6;
constexpr Index max_kernel = 15, max_factor = 8, max_scale = 64, max_field_of_view = 255;

[[noreturn]] void refuse(const std::string& file, const std::string& text) {
  throw Error{ErrorCode::io, file + ": " + text + " (the model would be misread); export it again"};
}

std::uint32_t crc(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

/// IEEE binary16.
float half_to_float(std::uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  float value = exponent == 31  ? (fraction != 0 ? std::nanf("") : HUGE_VALF)
                : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return (half & 0x8000) != 0 ? -value : value;
}

/// The weights' names, places and shapes.
class Tensors {
 public:
  Tensors(const Json& json, std::span<const std::byte> blob, std::string file)
      : json_{json}, blob_{blob}, file_{std::move(file)} {
    if (!json.is_object()) refuse(file_, "tensors is not an object");
  }

  std::vector<float> read(const std::string& name, const std::vector<std::int64_t>& shape) {
    const Section tensor = find(name);
    const std::string dtype = tensor.text("dtype", 16);
    if (dtype != "float16" && dtype != "float32") tensor.fail("dtype is not float16 or float32");
    std::uint64_t count = 1;
    const Json& stored = tensor.list("shape", 5);
    bool same = stored.size() == shape.size();
    for (std::size_t i = 0; same && i < shape.size(); ++i) same = stored[i] == shape[i];
    if (!same) tensor.fail(fmt::format("shape is not [{}], which its layer needs", fmt::join(shape, ", ")));
    for (const std::int64_t extent : shape) count = checked_mul(count, static_cast<std::uint64_t>(extent));
    const std::uint64_t width = dtype == "float16" ? 2 : 4;
    const std::byte* from = place(tensor, count, width).data();
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (width == 4) {
        std::memcpy(&values[i], from + 4 * i, 4);
      } else {
        std::uint16_t half;
        std::memcpy(&half, from + 2 * i, 2);
        values[i] = half_to_float(half);
      }
      if (!std::isfinite(values[i])) tensor.fail("has values that are not finite");
    }
    return values;
  }

  /// Bytes that are no numbers.
  Bytes read_bytes(const std::string& name) {
    const Section tensor = find(name);
    if (tensor.text("dtype", 16) != "uint8") tensor.fail("dtype is not uint8");
    const Json& stored = tensor.list("shape", 1);
    if (!stored.front().is_number_unsigned() || stored.front() == 0) tensor.fail("shape is not one number");
    const auto from = place(tensor, stored.front().get<std::uint64_t>(), 1);
    return {from.begin(), from.end()};
  }

 private:
  Section find(const std::string& name) const {
    const auto found = json_.find(name);
    if (found == json_.end()) refuse(file_, fmt::format("tensor '{}' is missing", name));
    return {*found, fmt::format("{}: tensor '{}'", file_, name)};
  }

  /// Where its `count` values of `width` bytes lie.
  std::span<const std::byte> place(const Section& tensor, std::uint64_t count, std::uint64_t width) {
    const auto offset = static_cast<std::uint64_t>(tensor.integer("offset", 0, INT64_MAX));
    if (offset > blob_.size() || count > (blob_.size() - offset) / width)
      tensor.fail("reaches beyond the end of the weights");
    read_bytes_ += count * width;
    if (read_bytes_ > blob_.size()) refuse(file_, "its tensors together are larger than its weights");
    return blob_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(count * width));
  }

  const Json& json_;
  std::span<const std::byte> blob_;
  std::string file_;
  std::uint64_t read_bytes_ = 0;  // of all tensors: none may be read again and again
};

Op op_of(const Section& layer) {
  static const std::map<std::string, Op> ops{{"conv", Op::conv},         {"max_pool", Op::max_pool},
                                             {"upsample", Op::upsample}, {"add", Op::add},
                                             {"concat", Op::concat},     {"relu", Op::relu},
                                             {"sigmoid", Op::sigmoid},   {"torchscript", Op::torchscript}};
  const std::string name = layer.text("op", 32);
  const auto found = ops.find(name);
  if (found == ops.end()) layer.fail(fmt::format("op '{}' is not known", name));
  return found->second;
}

/// Reads a layer and derives channels and scale of its result from those of its inputs.
Layer read_layer(const Section& section, const Model& model, const std::map<std::string, int>& tensor_of,
                 Tensors& tensors) {
  Layer layer;
  layer.name = section.text("name", 100);
  layer.op = op_of(section);
  for (const std::string& input : section.texts("inputs", 8, 100)) {
    const auto found = tensor_of.find(input);
    if (found == tensor_of.end()) section.fail(fmt::format("input '{}' is no earlier layer", input));
    layer.inputs.push_back(found->second);
  }
  const bool joins = layer.op == Op::add || layer.op == Op::concat;
  if (joins ? layer.inputs.size() < 2 : layer.inputs.size() != 1)
    section.fail(joins ? "needs two inputs or more" : "needs exactly one input");
  if (layer.op == Op::add && layer.inputs.size() != 2) section.fail("needs exactly two inputs");
  const int first = layer.inputs.front();
  layer.channels = model.channels_of(first);
  layer.scale = model.scale_of(first);
  if (layer.op == Op::conv) {
    const int channels_in = layer.channels;
    layer.channels = static_cast<int>(section.integer("channels", 1, max_channels));
    layer.kernel = section.extent("kernel", 1, max_kernel);
    for (int axis = 0; axis < 3; ++axis)
      if (layer.kernel[axis] % 2 == 0) section.fail("kernel is even (only odd ones have a middle)");
    layer.relu = section.flag("relu");
    layer.weights = tensors.read(section.text("weight", 100), {layer.channels, channels_in, layer.kernel.z,
                                                               layer.kernel.y, layer.kernel.x});
    layer.bias = tensors.read(section.text("bias", 100), {layer.channels});
  } else if (layer.op == Op::torchscript) {
    layer.channels = static_cast<int>(section.integer("channels", 1, max_channels));
    layer.reach = section.extent("reach", 0, max_margin);
    layer.multiple = section.extent("multiple", 1, max_scale);
    layer.bytes_per_voxel = section.number("bytes_per_voxel", 0, max_bytes_per_voxel);
    layer.program = tensors.read_bytes(section.text("program", 100));
  } else if (layer.op == Op::max_pool || layer.op == Op::upsample) {
    layer.factor = section.extent("factor", 1, max_factor);
    for (int axis = 0; axis < 3; ++axis) {
      if (layer.op == Op::max_pool)
        layer.scale[axis] *= layer.factor[axis];
      else if (layer.scale[axis] % layer.factor[axis] != 0)
        section.fail("would be finer than the image");
      else
        layer.scale[axis] /= layer.factor[axis];
      if (layer.scale[axis] > max_scale) section.fail("is coarser than 64 voxels of the image");
    }
  }
  for (std::size_t i = 1; i < layer.inputs.size(); ++i) {
    const int other = layer.inputs[i];
    if (!(model.scale_of(other) == layer.scale)) section.fail("joins tensors of different scales");
    if (layer.op == Op::concat)
      layer.channels += model.channels_of(other);
    else if (model.channels_of(other) != layer.channels)
      section.fail("joins tensors of different numbers of channels");
  }
  if (layer.channels > max_channels) section.fail("has more than 1024 channels");
  return layer;
}

Flooding read_flooding(const Section& section, const Model& model, const Output& output) {
  Flooding flooding;
  flooding.field_of_view = section.extent("field_of_view", 1, max_field_of_view);
  flooding.deltas = section.extent("deltas", 0, max_field_of_view);
  for (int axis = 0; axis < 3; ++axis) {
    if (flooding.field_of_view[axis] % 2 == 0)
      section.fail("field_of_view is even (only odd ones have a middle)");
    if (flooding.deltas[axis] > flooding.field_of_view[axis] / 2)
      section.fail("deltas reach out of the field of view");
    if (model.scale_of(output.tensor)[axis] != 1 || model.multiple[axis] != 1)
      section.fail("is of a network that pools (an odd field of view cannot be halved)");
  }
  if (flooding.deltas == Extent{0, 0, 0}) section.fail("deltas are all 0 (the network would never move)");
  if (model.channels_of(output.tensor) != 1 || model.input_channels < 2)
    section.fail("needs one channel, and two or more of the input: the image, and the object's logit last");
  constexpr double least = 1e-6;
  flooding.initial = section.number("initial", least, 1 - least);
  flooding.pad = section.number("pad", least, 1 - least);
  flooding.move_threshold = section.number("move_threshold", least, 1 - least);
  flooding.segment_threshold = section.number("segment_threshold", least, 1 - least);
  return flooding;
}

Output read_output(const Section& section, const Model& model, const std::map<std::string, int>& tensor_of) {
  Output output;
  output.name = section.text("name", 50);
  const bool plain = !output.name.empty() && std::all_of(output.name.begin(), output.name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain) section.fail("name is not made of lower-case letters, digits and _");
  const auto found = tensor_of.find(section.text("layer", 100));
  if (found == tensor_of.end() || found->second == 0) section.fail("layer is no layer of the graph");
  output.tensor = found->second;
  if (!(model.scale_of(output.tensor) == Extent{1, 1, 1})) section.fail("is coarser than the image");
  const std::string kind = section.text("kind", 32);
  const auto channels = static_cast<std::size_t>(model.channels_of(output.tensor));
  if (kind == "affinities") {
    for (const Json& item : section.list("offsets", channels)) {
      const Extent offset = three(item, -1024, 1024, section.where() + ": offsets");
      output.offsets.push_back({offset.z, offset.y, offset.x});
    }
    if (output.offsets.size() != channels) section.fail("offsets do not match the channels");
  } else if (kind == "probabilities") {
    output.kind = OutputKind::probabilities;
    output.classes = section.texts("classes", channels, 100);
    if (output.classes.size() != channels) section.fail("classes do not match the channels");
  } else if (kind == "object") {
    output.kind = OutputKind::object;
    output.flooding = read_flooding(section, model, output);
  } else {
    section.fail("kind is not affinities, probabilities or object");
  }
  return output;
}

}  // namespace

Model parse_model(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < prefix_bytes || std::memcmp(bytes.data(), "PVXMODEL", 8) != 0)
    refuse(file, "is not a model of petavox (it does not begin with PVXMODEL)");
  ByteReader prefix{bytes.subspan(8, prefix_bytes - 8)};
  const auto version = prefix.get<std::uint32_t>(), header_bytes = prefix.get<std::uint32_t>();
  const auto blob_bytes = prefix.get<std::uint64_t>();
  const auto header_crc = prefix.get<std::uint32_t>(), blob_crc = prefix.get<std::uint32_t>();
  if (version != 1) refuse(file, fmt::format("has version {} (this program reads version 1)", version));
  if (header_bytes > max_header_bytes || header_bytes > bytes.size() - prefix_bytes ||
      blob_bytes != bytes.size() - prefix_bytes - header_bytes)
    refuse(file, "does not have the size that it states; it is cut short or has been added to");
  const auto header = bytes.subspan(prefix_bytes, header_bytes),
             blob = bytes.subspan(prefix_bytes + header_bytes);
  if (crc(header) != header_crc || crc(blob) != blob_crc) refuse(file, "is damaged: a checksum differs");

  const char* text = reinterpret_cast<const char*>(header.data());
  const Json json = Json::parse(text, text + header.size(), nullptr, false);
  if (json.is_discarded()) refuse(file, "has a header that is not JSON");
  const Section top{json, file};
  Model model;
  model.name = top.text("name", 100);
  model.license = top.text("license", 200);
  model.description = top.text("description", 4000);
  const Json& voxel = top.list("voxel_size_nm", 3);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (voxel.size() != 3 || !voxel[axis].is_number() || !(voxel[axis].get<double>() > 0))
      top.fail("voxel_size_nm is not three positive numbers");
    model.voxel_size_nm[axis] = voxel[axis].get<double>();
  }
  const Section input{top.list("inputs", 1).front(), file + ": input"};
  const std::string image = input.text("name", 100);
  model.input_channels = static_cast<int>(input.integer("channels", 1, 16));
  model.mean = static_cast<float>(input.number("mean", -1e9, 1e9));
  model.deviation = static_cast<float>(input.number("deviation", 1e-6, 1e9));

  const auto stored = json.find("tensors");
  if (stored == json.end()) top.fail("tensors is missing");
  Tensors tensors{*stored, blob, file};
  std::map<std::string, int> tensor_of{{image, 0}};
  for (const Json& item : top.list("layers", max_layers)) {
    const std::string number = fmt::format("{}: layer {}", file, model.layers.size());
    const Section section{item, number};
    Layer layer = read_layer(section, model, tensor_of, tensors);
    const int tensor = static_cast<int>(model.layers.size()) + 1;
    if (!tensor_of.emplace(layer.name, tensor).second) section.fail("has the name of an earlier layer");
    for (int axis = 0; axis < 3; ++axis)
      model.multiple[axis] = std::max({model.multiple[axis], layer.scale[axis], layer.multiple[axis]});
    model.layers.push_back(std::move(layer));
  }
  const auto is_program = [](const Layer& layer) { return layer.op == Op::torchscript; };
  if (std::ranges::any_of(model.layers, is_program) && !model.is_script())
    refuse(file, "has a program among other layers (a program is the whole network)");
  // Every window must divide evenly at every scale.
  for (const Layer& layer : model.layers)
    for (int axis = 0; axis < 3; ++axis)
      if (model.multiple[axis] % layer.scale[axis] != 0)
        refuse(file, "layer '" + layer.name + "' has a scale that does not divide the largest one");
  for (const Json& item : top.list("outputs", max_outputs)) {
    model.outputs.push_back(read_output({item, file + ": output"}, model, tensor_of));
    for (std::size_t i = 0; i + 1 < model.outputs.size(); ++i)
      if (model.outputs[i].name == model.outputs.back().name)
        refuse(file, "two outputs are called '" + model.outputs.back().name + "'");
  }
  model.halo = receptive_halo(model);
  if (!(top.extent("halo", 0, INT32_MAX) == model.halo) ||
      !(top.extent("multiple", 1, max_scale) == model.multiple))
    refuse(file, fmt::format("states another halo or multiple than its layers have ({}, {})",
                             to_string(model.halo), to_string(model.multiple)));
  model.margin = top.extent("margin", 0, max_margin);
  return model;
}

}  // namespace petavox::network
