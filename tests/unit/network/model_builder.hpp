#pragma once
// Builds model containers in memory, sound ones and others.

#include "petavox/base/bytes.hpp"

#include "stages/network/model.hpp"

#include <random>
#include <string>

#include <nlohmann/json.hpp>
#include <zlib.h>

namespace petavox::network {

using Json = nlohmann::json;

/// Prefix, header and weights with the right sizes and checksums.
inline Bytes container(const std::string& header, const Bytes& blob) {
  ByteWriter out;
  out.append("PVXMODEL", 8);
  out.put(std::uint32_t{1});
  out.put(static_cast<std::uint32_t>(header.size()));
  out.put(static_cast<std::uint64_t>(blob.size()));
  const auto crc = [](const void* data, std::size_t size) {
    return static_cast<std::uint32_t>(crc32_z(0, static_cast<const unsigned char*>(data), size));
  };
  out.put(crc(header.data(), header.size()));
  out.put(crc(blob.data(), blob.size()));
  out.append(header.data(), header.size());
  out.append(blob.data(), blob.size());
  return out.take();
}

/// Layers with random weights.
class ModelBuilder {
 public:
  explicit ModelBuilder(int channels = 1, std::uint32_t seed = 1) : random_{seed} {
    header_ = {
        {"name", "test"},
        {"license", "CC0-1.0"},
        {"description", ""},
        {"voxel_size_nm", {10, 10, 10}},
        {"inputs", {{{"name", "image"}, {"channels", channels}, {"mean", 100.0}, {"deviation", 50.0}}}},
        {"outputs", Json::array()},
        {"layers", Json::array()},
        {"tensors", Json::object()},
        {"margin", {0, 0, 0}},
        {"halo", {0, 0, 0}},
        {"multiple", {1, 1, 1}}};
  }

  ModelBuilder& conv(const std::string& name, const std::string& from, int channels_in, int channels,
                     Extent kernel, bool relu) {
    layer(name, "conv", {from},
          {{"channels", channels},
           {"kernel", list(kernel)},
           {"relu", relu},
           {"weight", name + ".w"},
           {"bias", name + ".b"}});
    const double fan = static_cast<double>(channels_in * kernel.voxels());
    tensor(name + ".w", {channels, channels_in, kernel.z, kernel.y, kernel.x}, std::sqrt(2 / fan));
    tensor(name + ".b", {channels}, 0.1);
    return *this;
  }
  /// A convolution with these weights (out, in, z, y, x) and biases.
  ModelBuilder& conv(const std::string& name, const std::string& from, int channels_in, Extent kernel,
                     bool relu, const std::vector<float>& weights, const std::vector<float>& bias) {
    const auto channels = static_cast<int>(bias.size());
    layer(name, "conv", {from},
          {{"channels", channels},
           {"kernel", list(kernel)},
           {"relu", relu},
           {"weight", name + ".w"},
           {"bias", name + ".b"}});
    tensor(name + ".w", {channels, channels_in, kernel.z, kernel.y, kernel.x}, weights);
    tensor(name + ".b", {channels}, bias);
    return *this;
  }
  ModelBuilder& layer(const std::string& name, const std::string& op, const std::vector<std::string>& inputs,
                      Json more = Json::object()) {
    more["name"] = name;
    more["op"] = op;
    more["inputs"] = inputs;
    header_["layers"].push_back(more);
    return *this;
  }
  /// A program for libtorch instead of layers.
  ModelBuilder& program(const std::string& name, const std::string& text, int channels, Extent reach,
                        double bytes_per_voxel, Extent multiple = {1, 1, 1}) {
    layer(name, "torchscript", {"image"},
          {{"channels", channels},
           {"reach", list(reach)},
           {"multiple", list(multiple)},
           {"bytes_per_voxel", bytes_per_voxel},
           {"program", name + ".program"}});
    header_["tensors"][name + ".program"] = {
        {"dtype", "uint8"}, {"shape", {text.size()}}, {"offset", blob_.size()}};
    for (const char c : text) blob_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  ModelBuilder& factor(const std::string& name, const std::string& op, const std::string& from, Extent f) {
    return layer(name, op, {from}, {{"factor", list(f)}});
  }
  ModelBuilder& affinities(const std::string& layer, std::vector<std::vector<int>> offsets) {
    header_["outputs"].push_back(
        {{"name", "affinities"}, {"layer", layer}, {"kind", "affinities"}, {"offsets", std::move(offsets)}});
    return *this;
  }
  ModelBuilder& probabilities(const std::string& name, const std::string& layer,
                              std::vector<std::string> classes) {
    header_["outputs"].push_back(
        {{"name", name}, {"layer", layer}, {"kind", "probabilities"}, {"classes", std::move(classes)}});
    return *this;
  }
  ModelBuilder& object(const std::string& layer, Extent field_of_view, Extent deltas) {
    header_["outputs"].push_back({{"name", "object"},
                                  {"layer", layer},
                                  {"kind", "object"},
                                  {"field_of_view", list(field_of_view)},
                                  {"deltas", list(deltas)},
                                  {"initial", 0.95},
                                  {"pad", 0.05},
                                  {"move_threshold", 0.9},
                                  {"segment_threshold", 0.6}});
    return *this;
  }
  ModelBuilder& reach(Extent halo, Extent multiple, Extent margin = {}) {
    header_["halo"] = list(halo);
    header_["multiple"] = list(multiple);
    header_["margin"] = list(margin);
    return *this;
  }

  Json& header() { return header_; }
  const Bytes& blob() const { return blob_; }
  Bytes bytes() const { return container(header_.dump(), blob_); }
  Model model() const { return parse_model(bytes(), "test.pvm"); }
  static Json list(Extent e) { return {e.z, e.y, e.x}; }

 private:
  void tensor(const std::string& name, const std::vector<std::int64_t>& shape,
              const std::vector<float>& values) {
    header_["tensors"][name] = {{"dtype", "float32"}, {"shape", shape}, {"offset", blob_.size()}};
    const std::size_t end = blob_.size();
    blob_.resize(end + 4 * values.size());
    std::memcpy(blob_.data() + end, values.data(), 4 * values.size());
  }
  void tensor(const std::string& name, const std::vector<std::int64_t>& shape, double deviation) {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
    std::vector<float> values;
    for (std::size_t i = 0; i < count; ++i) {
      // Sum of uniforms: the same on every machine.
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += static_cast<double>(random_()) / 4294967296.0 - 0.5;
      values.push_back(static_cast<float>(deviation * sum * 1.7));
    }
    tensor(name, shape, values);
  }

  std::mt19937 random_;
  Json header_;
  Bytes blob_;
};

/// A small U-Net of the kind that is trained (two levels, sum skip), with three affinities.
inline ModelBuilder small_unet(std::uint32_t seed = 1) {
  const Extent k3{3, 3, 3}, k1{1, 1, 1}, two{2, 2, 2};
  ModelBuilder b{1, seed};
  b.conv("a", "image", 1, 16, k3, true).factor("p", "max_pool", "a", two).conv("c", "p", 16, 32, k3, true);
  b.conv("l", "c", 32, 16, k1, false).factor("u", "upsample", "l", two).layer("s", "add", {"u", "a"});
  b.conv("d", "s", 16, 16, k3, true).conv("h", "d", 16, 3, k1, false).layer("o", "sigmoid", {"h"});
  return b.affinities("o", {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}).reach({5, 5, 5}, two, {6, 6, 6});
}

/// Flood filling made by hand, not by training: from where the object is (logit above 0), `steps` voxels on
/// through voxels brighter than 100, on the six-neighbourhood.
inline ModelBuilder flood_model(int steps, Extent field_of_view, Extent deltas) {
  const Extent k3{3, 3, 3}, k1{1, 1, 1};
  // Channels: x, max(0, x - 1), darkness and brightness; the difference of the first two is at most 1.
  // A wall, at -1.2, must outweigh the seven voxels; much more would drown them in rounding.
  constexpr float dark = 16;
  ModelBuilder b{2};
  b.conv("s0", "image", 2, k1, true, {0, 1, 0, 1, -dark, 0, 1, 0}, {0, -1, 0, 0});
  for (int i = 1; i <= steps; ++i) {
    std::vector<float> weights(4 * 4 * 27, 0);
    const auto weight = [&](std::size_t out, std::size_t in, Coord d) -> float& {
      return weights[(out * 4 + in) * 27 + static_cast<std::size_t>((d.z + 1) * 9 + (d.y + 1) * 3 + d.x + 1)];
    };
    for (const std::size_t out : {0U, 1U}) {
      for (const Coord d : {Coord{}, {-1, 0, 0}, {1, 0, 0}, {0, -1, 0}, {0, 1, 0}, {0, 0, -1}, {0, 0, 1}}) {
        weight(out, 0, d) = 1;
        weight(out, 1, d) = -1;
      }
      weight(out, 2, {}) = -dark;
    }
    for (const std::size_t same : {2U, 3U}) weight(same, same, {}) = 1;
    b.conv("s" + std::to_string(i), "s" + std::to_string(i - 1), 4, k3, true, weights, {0, -1, 0, 0});
  }
  // Brighter voxels are moved to first.
  b.conv("change", "s" + std::to_string(steps), 4, k1, false, {12, -12, 0, 1}, {-4});
  return b.object("change", field_of_view, deltas).reach({steps, steps, steps}, k1);
}

/// A residual stack of the kind of flood-filling networks: 2 channels in, activations kept for later sums.
inline ModelBuilder small_ffn(int modules, int channels = 32) {
  const Extent k3{3, 3, 3}, k1{1, 1, 1};
  ModelBuilder b{2};
  b.conv("conv0_a", "image", 2, channels, k3, true).conv("conv0_b", "conv0_a", channels, channels, k3, false);
  std::string n = "conv0_b";
  for (int i = 1; i <= modules; ++i) {
    const std::string k = std::to_string(i);
    b.layer("relu" + k, "relu", {n}).conv("conv" + k + "_a", "relu" + k, channels, channels, k3, true);
    b.conv("conv" + k + "_b", "conv" + k + "_a", channels, channels, k3, false);
    b.layer("sum" + k, "add", {n, "conv" + k + "_b"});
    n = "sum" + k;
  }
  b.layer("last", "relu", {n}).conv("logit", "last", channels, 1, k1, false);
  const Index reach = 2 + 2 * modules;
  return b.probabilities("logit", "logit", {"object"}).reach({reach, reach, reach}, {1, 1, 1});
}

}  // namespace petavox::network
