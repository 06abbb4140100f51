#pragma once
// The network of a stage that fills floods, and what its parameters say of how: asked for once, prepared
// once.

#include "petavox/stage/contract.hpp"

#include "stages/ffn/canvas.hpp"
#include "stages/network/loading.hpp"

namespace petavox::ffn {

class Flooder {
 public:
  /// Asks for model_path, thresholds, deltas, disco_seed_threshold, and what computes. Thresholds and deltas
  /// of the model are the defaults. Problems are reported; ready() is false then.
  explicit Flooder(Params& params);
  bool ready() const { return !model_.layers.empty(); }

  Settings& settings() { return settings_; }
  const Settings& settings() const { return settings_; }
  Extent field_of_view() const { return settings_.flooding.field_of_view; }
  /// The port of the image that the network looks at, with so much round a core.
  InPort image_port(Extent halo) const;
  /// Bytes that a running network and its field of view take, whatever the window.
  double bytes() const;

  /// The standardised image over `box`, which lies inside of `voxels`: channels x box in raster order.
  std::vector<float> image(const Array& voxels, const Box& box) const;
  /// Calls use(Network) with a network that nobody else uses meanwhile. Thread-safe.
  void with_network(FunctionRef<void(Network)> use) const;

 private:
  void load(Params& params, const std::string& path);
  void check(Params& params);

  network::Model model_;
  network::Output output_;
  Settings settings_;
  network::BackendSettings backend_;
  network::Executables executables_;
};

}  // namespace petavox::ffn
