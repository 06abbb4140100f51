#pragma once
// A trained network as a graph of layers with weights, and the container that holds it (docs/formats.md,
// "Model"). A container is untrusted: sizes, shapes, the graph and its ports are checked before anything is
// allocated by them, and every error names the file. Immutable once parsed.

#include "petavox/base/bytes.hpp"
#include "petavox/geometry/box.hpp"
#include "petavox/volume/volume.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace petavox::network {

enum class Op { conv, max_pool, upsample, add, concat, relu, sigmoid, torchscript };

/// One node. Its result is tensor number i + 1 if it is layer i; tensor 0 is the image.
struct Layer {
  std::string name;
  Op op = Op::relu;
  std::vector<int> inputs;     ///< tensors; each comes before this layer's own
  int channels = 0;            ///< of the result
  Extent scale{1, 1, 1};       ///< voxels of the image per voxel of the result
  Extent kernel{1, 1, 1};      ///< of conv: odd, zero padding, so the size stays
  Extent factor{1, 1, 1};      ///< of max_pool (window and stride) and upsample (nearest)
  bool relu = false;           ///< of conv: followed by max(0, x)
  std::vector<float> weights;  ///< of conv: out, in, z, y, x
  std::vector<float> bias;     ///< of conv
  Bytes program;               ///< of torchscript: the file that TorchScript writes
  Extent reach{0, 0, 0};       ///< of torchscript: the halo, as stated
  Extent multiple{1, 1, 1};    ///< of torchscript: windows are multiples of this, as stated
  double bytes_per_voxel = 0;  ///< of torchscript: memory at work per voxel of a window, as measured
};

/// What a result means.
enum class OutputKind {
  affinities,     ///< channel k at v: probability that v and v - offsets[k] are one object
  probabilities,  ///< channel k: probability of classes[k]
  object,         ///< one channel: what is added to the logit of an object, the last channel of the input
};

/// How a flood-filling network is moved about: part of how it was trained (stages/ffn).
struct Flooding {
  Extent field_of_view{}, deltas{};  ///< odd; how far it moves, at most half a field of view
  /// Probabilities: of the seed, of voxels not yet seen, to move on, and to belong to the object.
  double initial = 0.95, pad = 0.05, move_threshold = 0.9, segment_threshold = 0.6;
};

struct Output {
  std::string name;
  int tensor = 0;
  OutputKind kind = OutputKind::affinities;
  std::vector<Coord> offsets;
  std::vector<std::string> classes;
  Flooding flooding{};
};

struct Model {
  std::string name, license, description;
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  int input_channels = 1;
  float mean = 0, deviation = 1;  ///< the network sees (voxel - mean) / deviation; an object's logit as it is
  std::vector<Layer> layers;
  std::vector<Output> outputs;
  Extent multiple{1, 1, 1};  ///< windows are multiples of this: the largest scale of any layer
  Extent halo{0, 0, 0};      ///< how far a voxel of an output can depend on the image, on either side
  Extent margin{0, 0, 0};    ///< recommended overlap of windows: what training taught it to use of the halo

  int channels_of(int tensor) const {
    return tensor == 0 ? input_channels : layers[static_cast<std::size_t>(tensor - 1)].channels;
  }
  /// One layer that is a program for libtorch.
  bool is_script() const { return layers.size() == 1 && layers.front().op == Op::torchscript; }
  Extent scale_of(int tensor) const {
    return tensor == 0 ? Extent{1, 1, 1} : layers[static_cast<std::size_t>(tensor - 1)].scale;
  }
};

/// Throws Error{io} that begins with `file` if the bytes are not a sound container.
Model parse_model(std::span<const std::byte> bytes, const std::string& file);

/// The reach of an output into the image beyond a period of `multiple` voxels, the larger side of each axis.
Extent receptive_halo(const Model& model);

/// Multiplications and additions per voxel of the image; what a program does is not known and not counted.
double flops_per_voxel(const Model& model);

}  // namespace petavox::network
