#include "stages/align/course.hpp"
#include "stages/align/step_ports.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {
namespace {

constexpr double parts_of_radian = 4294967296.0;  // 2^32

/// The turn of each section of the last field: what it takes a whole section to know.
class TurnStep final : public Stage {
 public:
  explicit TurnStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort field = image_port(field_port(last()), 2, DTypeSet{DType::i32});
    field.reads.whole = {false, true, true};
    c.reads = {field};
    c.writes = {lattice_port("turns", DType::i64, 1, {1, 1, 1})};
    c.domain = coarse_align::column_of(setup.domain);
    c.subvolume = {1, 1, 1};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Array field = inputs.image(field_port(last()));
    const auto out = outputs.image("turns").view<std::int64_t>();
    inputs.core().for_each([&](Coord p) {
      out[p] = static_cast<std::int64_t>(std::floor(
          parts_of_radian * turn_of_field(field.view<std::int32_t>(), p.z, settings_->spacing(last())) +
          0.5));
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
    InPort turns = image_port("turns", 1, DTypeSet{DType::i64});
    turns.reads.whole = {false, true, true};
    c.reads = {field, turns, placement_input()};
    c.writes = {lattice_port(std::string{course_port}, DType::i32, 2, {1, 1, 1})};
    c.subvolume = {setup.domain.shape().z, 32, 32};
    c.scratch_bytes_per_voxel = 48;  // a banded matrix, the series, and the course
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Array field = inputs.image(field_port(last()));
    const Index spacing = settings_->spacing(last());
    const Box& lattice = field.domain();
    Turns turns;
    if (const auto placements = read_placements(inputs)) {
      const Array angles = inputs.image("turns");
      std::vector<double> of_field;
      for (const std::int64_t v : angles.view<std::int64_t>().channel())
        of_field.push_back(static_cast<double>(v) / parts_of_radian);
      const auto middle = [&](Index a, Index b) {
        return 0.5 * (node_centre(a, spacing) + node_centre(b - 1, spacing));
      };
      const Extent shape = lattice.shape();
      turns = turns_of(std::as_const(*placements).view<std::int64_t>(), of_field, lattice,
                       {middle(lattice.begin.y, lattice.end.y), middle(lattice.begin.x, lattice.end.x)},
                       0.25 * static_cast<double>(std::max(shape.y, shape.x) * spacing));
    }
    keep_course(field, spacing, settings_->course, outputs.image(course_port), turns);
  }

 private:
  int last() const { return settings_->num_passes() - 1; }
  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> turn_step(SharedSettings s) { return std::make_unique<TurnStep>(std::move(s)); }
std::unique_ptr<Stage> course_step(SharedSettings s) { return std::make_unique<CourseStep>(std::move(s)); }

}  // namespace petavox::align
