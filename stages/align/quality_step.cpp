#include "stages/align/quality.hpp"
#include "stages/align/step_ports.hpp"

namespace petavox::align {
namespace {

class QualityStep final : public Stage {
 public:
  explicit QualityStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup&) const override {
    const int last = settings_->num_passes() - 1;
    const Index spacing = settings_->spacing(last);
    Contract c;
    InPort aligned = image_port("aligned", 1, grey_types);
    aligned.reads.factor = {1, spacing, spacing};
    aligned.reads.halo.low.z = 1;
    InPort image = image_port("image", 1, grey_types);
    image.volume = "input";
    image.reads = aligned.reads;
    InPort matches =
        image_port(pass_port("matches", last), clean_channels * settings_->num_links(), DTypeSet{DType::i16});
    InPort residual = image_port(pass_port("residual", last), 1, DTypeSet{DType::i16});
    InPort field = image_port(std::string{displacement_port}, 2, DTypeSet{DType::i32});
    field.reads.halo = Halo::symmetric({0, 1, 1});
    c.reads = {aligned, image, matches, residual, field, placement_input()};
    c.writes = {lattice_port("quality", DType::f32, quality_channels, aligned.reads.factor)};
    c.subvolume = {16, 16, 16};
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const int last = settings_->num_passes() - 1;
    const Index spacing = settings_->spacing(last);
    const auto placements = read_placements(inputs);
    const Array aligned = inputs.image("aligned"), image = inputs.image("image");
    const Array matches_array = inputs.image(pass_port("matches", last));
    const Array residual_array = inputs.image(pass_port("residual", last));
    const Array field = inputs.image(displacement_port);
    const auto matches = matches_array.view<std::int16_t>();
    const auto residual = residual_array.view<std::int16_t>();
    const auto out = outputs.image("quality").view<float>();
    const auto level = static_cast<double>(settings_->level(last));
    inputs.core().for_each([&](Coord p) {
      const Box cell = refined(Box::from(p, {1, 1, 1}), {1, spacing, spacing});
      const auto set = [&](int channel, double v) { out.at(channel, p) = static_cast<float>(v); };
      const std::int16_t left = residual[p];
      set(quality_residual, left < 0 ? -1 : level * left / flow_units_per_px);
      set(quality_state, matches.at(3, p));
      set(quality_before, cell_correlation(image, p.z, cell, settings_->background));
      set(quality_after, cell_correlation(aligned, p.z, cell, settings_->background));
      set(quality_area, area_at(placement_of(placements, p.z), field, p, spacing));
    });
  }

 private:
  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> quality_step(SharedSettings s) { return std::make_unique<QualityStep>(std::move(s)); }

}  // namespace petavox::align
