#include "stages/align/course.hpp"
#include "stages/align/step_ports.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {
namespace {

constexpr int affine_channels = 6;

/// What the last field does to each section as a whole.
class WholeStep final : public Stage {
 public:
  explicit WholeStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort field = image_port(field_port(last()), 2, DTypeSet{DType::i32});
    field.reads.whole = {false, true, true};
    c.reads = {field, domain_of_input(), placement_input()};
    c.writes = {lattice_port("wholes", DType::i64, affine_channels, {1, 1, 1})};
    c.domain = coarse_align::column_of(setup.domain);
    c.subvolume = {1, 1, 1};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Array field = inputs.image(field_port(last()));
    const auto placements = read_placements(inputs);
    const Box& source = inputs.readable("image");
    const auto out = outputs.image("wholes").view<std::int64_t>();
    inputs.core().for_each([&](Coord p) {
      coarse_align::store_affine(out, p,
                                 affine_of_field(field.view<std::int32_t>(), p.z, settings_->spacing(last()),
                                                 placement_of(placements, p.z), source));
    });
  }

 private:
  int last() const { return settings_->num_passes() - 1; }
  SharedSettings settings_;
};

class CourseStep final : public Stage {
 public:
  explicit CourseStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    const Index reach = course_reach(settings_->spacing(last()));
    Contract c;
    InPort field = image_port(field_port(last()), 2, DTypeSet{DType::i32});
    field.reads.halo = Halo::symmetric({0, reach, reach});
    InPort wholes = image_port("wholes", affine_channels, DTypeSet{DType::i64});
    wholes.reads.whole = {false, true, true};
    c.reads = {field, wholes, placement_input()};
    c.writes = {lattice_port(std::string{course_port}, DType::i32, 2, {1, 1, 1})};
    c.subvolume = {setup.domain.shape().z, 32, 32};
    c.scratch_bytes_per_voxel = 48;  // a banded matrix, the series, and the course
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Array field = inputs.image(field_port(last()));
    const Index spacing = settings_->spacing(last());
    const Box& lattice = field.domain();
    Wholes wholes;
    if (const auto placements = read_placements(inputs)) {
      const Array column = inputs.image("wholes");
      std::vector<Placement> of_field;
      for (Index z = lattice.begin.z; z < lattice.end.z; ++z)
        of_field.push_back(coarse_align::load_affine(column.view<std::int64_t>(), {z, 0, 0}));
      const auto middle = [&](Index a, Index b) {
        return 0.5 * (node_centre(a, spacing) + node_centre(b - 1, spacing));
      };
      const Extent shape = lattice.shape();
      wholes = wholes_of(std::as_const(*placements).view<std::int64_t>(), of_field, lattice,
                         {middle(lattice.begin.y, lattice.end.y), middle(lattice.begin.x, lattice.end.x)},
                         0.25 * static_cast<double>(std::max(shape.y, shape.x) * spacing));
    }
    keep_course(field, spacing, settings_->course, outputs.image(course_port), wholes);
  }

 private:
  int last() const { return settings_->num_passes() - 1; }
  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> whole_step(SharedSettings s) { return std::make_unique<WholeStep>(std::move(s)); }
std::unique_ptr<Stage> course_step(SharedSettings s) { return std::make_unique<CourseStep>(std::move(s)); }

}  // namespace petavox::align
