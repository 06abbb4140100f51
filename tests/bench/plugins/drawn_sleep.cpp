// A stage that copies its input and sleeps as long as it draws: what simulator_check.py compares the
// simulator with.

#include "petavox/stage/map_stage.hpp"
#include "petavox/stage/plugin.hpp"

#include <cmath>
#include <thread>

namespace {

/// Log-normal durations, a function of the run's seed and the block's first voxel.
class DrawnSleep final : public petavox::MapStage<DrawnSleep> {
 public:
  static constexpr std::string_view name = "drawn_sleep";
  static constexpr std::string_view summary = "copies its input and sleeps";

  explicit DrawnSleep(petavox::Params& params)
      : mean_ms_{params.number("mean_ms", 50, {0, 60'000}, "mean duration of a block, in milliseconds")},
        log_sigma_{params.number("log_sigma", 0.5, {0, 3}, "standard deviation of its logarithm")} {}

  petavox::Halo halo() const { return petavox::Halo::none(); }

  template <petavox::Voxel T>
  void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext& context) const {
    out.box().for_each([&](petavox::Coord p) { out[p] = in[p]; });
    const std::uint64_t bits = context.random(out.box().begin);
    const auto uniform = [](std::uint64_t b) { return (static_cast<double>(b & 0xffffffffU) + 1) * 0x1p-32; };
    const double normal =
        std::sqrt(-2 * std::log(uniform(bits >> 32))) * std::cos(6.283185307179586 * uniform(bits));
    const double ms = mean_ms_ * std::exp(log_sigma_ * normal - log_sigma_ * log_sigma_ / 2);
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>{ms});
  }

 private:
  double mean_ms_, log_sigma_;
};

}  // namespace

PETAVOX_STAGE_PLUGIN(DrawnSleep)
