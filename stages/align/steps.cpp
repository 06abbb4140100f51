#include "stages/align/steps.hpp"

#include "stages/align/level.hpp"
#include "stages/align/reduced_step.hpp"
#include "stages/align/step_ports.hpp"

#include <algorithm>

namespace petavox::align {
namespace {

/// At level 1 sections are read as they are, and what of them holds something is found piece by piece.
class PlacedStep final : public Stage {
 public:
  PlacedStep(SharedSettings settings, int pass) : settings_{std::move(settings)}, pass_{pass} {}

  Contract contract(const Setup& setup) const override {
    const Index level = settings_->level(pass_), margin = settings_->margin / level;
    Contract c;
    if (level == 1) {
      c.reads = {image_port("image", 1, grey_types), excluded_input()};
      c.reads.front().volume = "input";
    } else {
      c.reads = {image_port(level_port(level), 2, grey_types)};
    }
    for (InPort& port : c.reads) read_by_pieces(port);
    c.reads.push_back(placement_input());
    if (pass_ > 0) c.reads.push_back(field_input(*settings_, pass_ - 1, level, 0));
    c.writes = {lattice_port(pass_port("placed", pass_), setup.dtype, 2, {1, 1, 1})};
    c.domain = setup.domain.grow(Halo::symmetric({0, margin, margin}));
    c.scratch_bytes_per_voxel = sizeof(Vec2);
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    std::optional<Array> field;
    if (pass_ > 0) field = inputs.image(field_port(pass_ - 1));
    const Index level = settings_->level(pass_);
    const std::string port = level == 1 ? "image" : level_port(level);
    const auto read = [&](const Box& box) {
      return level == 1 ? with_mask(inputs, box) : inputs.image(port, box);
    };
    render_core(inputs, port, read, field, pass_ > 0 ? settings_->spacing(pass_ - 1) : 1, level,
                {Kernel::cubic, 1, held_for_tile(render_tile), 0}, outputs.image(pass_port("placed", pass_)));
  }

 private:
  Array with_mask(const BlockInputs& inputs, const Box& box) const {
    const Array image = inputs.image("image", box);
    const bool some = inputs.has("excluded");
    const Array excluded = some ? inputs.image("excluded", box) : Array{};
    Array both{image.dtype(), image.box(), image.domain(), 2};
    make_level(image, some ? &excluded : nullptr, 1, settings_->background, both);
    return both;
  }

  SharedSettings settings_;
  int pass_;
};

class FlowStep final : public Stage {
 public:
  FlowStep(SharedSettings settings, int pass) : settings_{std::move(settings)}, pass_{pass} {}

  Contract contract(const Setup&) const override {
    const FlowSettings s = settings_->flow_of(pass_);
    const Index halo = flow_halo(s);
    Contract c;
    InPort placed = image_port(pass_port("placed", pass_), 2, grey_types);
    placed.reads.factor = {1, s.match.spacing, s.match.spacing};
    placed.reads.halo = {{s.links.back(), halo, halo}, {0, halo, halo}};
    c.reads = {placed};
    c.writes = {lattice_port(pass_port("flow", pass_), DType::i16, flow_channels * settings_->num_links(),
                             placed.reads.factor)};
    const Index tile = std::clamp<Index>(512 / s.match.spacing, 1, 32);  // nodes
    c.subvolume = {16, tile, tile};
    c.scratch_bytes_per_voxel = flow_scratch_bytes_per_voxel(s, c.subvolume.z, tile);
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    flow_of(inputs.image(pass_port("placed", pass_)), settings_->flow_of(pass_),
            outputs.image(pass_port("flow", pass_)));
  }

 private:
  SharedSettings settings_;
  int pass_;
};

class CleanStep final : public Stage {
 public:
  CleanStep(SharedSettings settings, int pass) : settings_{std::move(settings)}, pass_{pass} {}

  Contract contract(const Setup&) const override {
    Contract c;
    InPort flow =
        image_port(pass_port("flow", pass_), flow_channels * settings_->num_links(), DTypeSet{DType::i16});
    flow.reads.halo = Halo::symmetric({0, 1, 1});
    c.reads = {flow};
    c.writes = {lattice_port(pass_port("matches", pass_), DType::i16, clean_channels * settings_->num_links(),
                             {1, 1, 1})};
    c.subvolume = {32, 64, 64};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    clean_flow(inputs.image(pass_port("flow", pass_)), settings_->clean, settings_->num_links(),
               outputs.image(pass_port("matches", pass_)));
  }

 private:
  SharedSettings settings_;
  int pass_;
};

InPort matches_input(const Settings& settings, int pass) {
  return image_port(pass_port("matches", pass), clean_channels * settings.num_links(), DTypeSet{DType::i16});
}

/// What the pass before found, as the solver wants it. `field` is filled and must outlive the result.
Before read_before(const BlockInputs& inputs, const Settings& settings, int pass, Array& field) {
  Before before;
  before.level = settings.level(pass);
  if (pass == 0) return before;
  field = inputs.image(field_port(pass - 1));
  before.field = &field;
  before.spacing = settings.spacing(pass - 1);
  return before;
}

class SolveCoarseStep final : public Stage {
 public:
  SolveCoarseStep(SharedSettings settings, int pass) : settings_{std::move(settings)}, pass_{pass} {}

  Contract contract(const Setup& setup) const override {
    const Index coarsening = settings_->solve.coarsening;
    Contract c;
    InPort matches = matches_input(*settings_, pass_);
    matches.reads.whole = {true, true, true};
    c.reads = {matches};
    if (pass_ > 0) {
      c.reads.push_back(field_input(*settings_, pass_ - 1, settings_->level(pass_), 0));
      c.reads.back().reads = {};
      c.reads.back().reads.whole = {true, true, true};
    }
    c.writes = {lattice_port(pass_port("shift", pass_), DType::i32, 2, {1, coarsening, coarsening})};
    // One task for the whole stack; a coarse node keeps its matches, two banded matrices and ten vectors.
    c.subvolume = coarsened(setup.domain, {1, coarsening, coarsening}).shape();
    const auto links = static_cast<double>(settings_->num_links());
    const auto band = static_cast<double>(settings_->solve.links.back());
    c.scratch_bytes_per_voxel =
        (24 * links + 16 * (band + 1) + 96) / static_cast<double>(coarsening * coarsening);
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    Array field;
    const Before before = read_before(inputs, *settings_, pass_, field);
    solve_coarse(inputs.image(pass_port("matches", pass_)), settings_->solve_of(pass_), before,
                 outputs.image(pass_port("shift", pass_)));
  }

 private:
  SharedSettings settings_;
  int pass_;
};

class SolveFineStep final : public Stage {
 public:
  SolveFineStep(SharedSettings settings, int pass) : settings_{std::move(settings)}, pass_{pass} {}

  Contract contract(const Setup& setup) const override {
    const SolveSettings s = settings_->solve_of(pass_);
    Contract c;
    InPort matches = matches_input(*settings_, pass_);
    const Index reach = flow_reach(s);
    matches.reads.halo = Halo::symmetric({0, reach, reach});
    InPort shift = image_port(pass_port("shift", pass_), 2, DTypeSet{DType::i32});
    const Index coarse_reach = field_reach + ceil_div(s.sweeps, s.coarsening);
    shift.reads.divisor = {1, s.coarsening, s.coarsening};
    shift.reads.halo = Halo::symmetric({0, coarse_reach, coarse_reach});
    c.reads = {matches, shift};
    if (pass_ > 0) {
      // Nodes of this pass per node of the one before; read where corrections lead to.
      InPort field = field_input(*settings_, pass_ - 1, settings_->level(pass_), 0);
      const Index ratio = settings_->spacing(pass_ - 1) / settings_->spacing(pass_);
      const Index halo = field_reach + ceil_div(flow_reach(s), ratio);
      field.reads.divisor = {1, ratio, ratio};
      field.reads.halo = Halo::symmetric({0, halo, halo});
      c.reads.push_back(field);
    }
    c.writes = {lattice_port(field_port(pass_), DType::i32, 2, {1, 1, 1}),
                lattice_port(pass_port("residual", pass_), DType::i16, 1, {1, 1, 1})};
    c.subvolume = {setup.domain.shape().z, 32, 32};
    const auto links = static_cast<double>(settings_->num_links());
    c.scratch_bytes_per_voxel = 24 * links + 8 * (s.links.back() + 1) + 64;
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    Array earlier;
    const Before before = read_before(inputs, *settings_, pass_, earlier);
    Array& field = outputs.image(field_port(pass_));
    solve_fine(inputs.image(pass_port("matches", pass_)), inputs.image(pass_port("shift", pass_)),
               settings_->solve_of(pass_), before, field, outputs.image(pass_port("residual", pass_)));
    compose(before, settings_->spacing_in_level(pass_), field);
  }

 private:
  SharedSettings settings_;
  int pass_;
};

class RenderStep final : public Stage {
 public:
  explicit RenderStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort image = image_port("image", 1, grey_types);
    image.volume = "input";
    read_by_pieces(image);
    InPort field = field_input(*settings_, settings_->num_passes() - 1, 1, 0);
    field.name = displacement_port;
    c.reads = {image, placement_input(), field};
    c.writes = {lattice_port("aligned", setup.dtype, 1, {1, 1, 1})};
    c.domain = setup.domain.grow(Halo::symmetric({0, settings_->margin, settings_->margin}));
    c.scratch_bytes_per_voxel = sizeof(Vec2);
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const int last = settings_->num_passes() - 1;
    const std::optional<Array> field = inputs.image(displacement_port);
    RenderOptions options{Kernel::lanczos, 1, held_for_tile(render_tile)};
    if (settings_->background >= 0) options.empty = options.outside = settings_->background;
    const auto read = [&](const Box& box) { return inputs.image("image", box); };
    render_core(inputs, "image", read, field, settings_->spacing(last), 1, options, outputs.image("aligned"));
  }

 private:
  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> level_step(SharedSettings s, Index level) {
  return reduced_step({level_port(level), [level](const Box&) { return level; }, s->background});
}
std::unique_ptr<Stage> placed_step(SharedSettings s, int pass) {
  return std::make_unique<PlacedStep>(std::move(s), pass);
}
std::unique_ptr<Stage> flow_step(SharedSettings s, int pass) {
  return std::make_unique<FlowStep>(std::move(s), pass);
}
std::unique_ptr<Stage> clean_step(SharedSettings s, int pass) {
  return std::make_unique<CleanStep>(std::move(s), pass);
}
std::unique_ptr<Stage> solve_coarse_step(SharedSettings s, int pass) {
  return std::make_unique<SolveCoarseStep>(std::move(s), pass);
}
std::unique_ptr<Stage> solve_fine_step(SharedSettings s, int pass) {
  return std::make_unique<SolveFineStep>(std::move(s), pass);
}
std::unique_ptr<Stage> render_step(SharedSettings s) { return std::make_unique<RenderStep>(std::move(s)); }

}  // namespace petavox::align
