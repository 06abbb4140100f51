#pragma once
// Stage `network`: a trained network over an image, window by window on a lattice fixed in the domain. The
// windows are the stage's subvolumes, so blocks.shape has no part in the result (docs/invariance.md).

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"
#include "petavox/volume/empty_voxels.hpp"

#include "stages/network/loading.hpp"

namespace petavox {

class NetworkStage final : public Stage {
 public:
  static constexpr std::string_view name = "network";
  static constexpr std::string_view summary = "affinities or class probabilities by a trained network";

  explicit NetworkStage(Params& params);
  Contract contract(const Setup& setup) const override;
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override;

 private:
  void choose_output(Params& params, const std::string& wanted);
  void choose_classes(Params& params, const std::string& classes, const std::vector<std::string>& kept);
  /// The margin must hold the pairs of all channels that are averaged.
  void check_flips(Params& params) const;
  /// The mean of what the network says of all mirrorings of a window, into `result`.
  void average(network::Executable& executable, std::span<const float> image, std::span<float> result) const;
  void choose_window(Params& params, Extent core, Extent margin);
  /// Where the image holds nothing; there it gets the nearest values of its section within the margin.
  EmptyVoxels without_empty(Array& image) const;

  network::Model model_;
  network::Output output_;
  std::string port() const;           ///< the name of the output port
  std::string port_;                  ///< that of types or a mask
  std::vector<std::uint8_t> values_;  ///< written for each class, instead of probabilities
  int channels_ = 3;                  ///< the first so many of the output are written
  Extent core_{}, margin_{};
  Extent window_{};  ///< core and margins
  bool skip_zeros_ = true;
  bool flips_ = false;  ///< the mean over the mirrorings of the window is written
  network::BackendSettings backend_;
  network::Executables executables_;
};

}  // namespace petavox
