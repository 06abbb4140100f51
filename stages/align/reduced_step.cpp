#include "stages/align/reduced_step.hpp"

#include "stages/align/level.hpp"

namespace petavox::align {
namespace {

class ReducedStep final : public Stage {
 public:
  explicit ReducedStep(ReducedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    const Index level = settings_.level(setup.domain);
    Contract c;
    InPort image = image_port("image", 1, grey_types);
    image.volume = "input";
    image.reads.factor = {1, level, level};
    c.reads = {image};
    if (settings_.takes_excluded) {
      c.reads.push_back(excluded_input());
      c.reads.back().reads.factor = image.reads.factor;
    }
    c.writes = {lattice_port(settings_.port, setup.dtype, 2, image.reads.factor)};
    c.scratch_bytes_per_voxel = 1;
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const bool some = settings_.takes_excluded && inputs.has("excluded");
    const Array excluded = some ? inputs.image("excluded") : Array{};
    make_level(inputs.image("image"), some ? &excluded : nullptr, settings_.level(context.domain()),
               settings_.background, outputs.image(settings_.port));
  }

 private:
  ReducedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> reduced_step(ReducedSettings settings) {
  return std::make_unique<ReducedStep>(std::move(settings));
}

}  // namespace petavox::align
