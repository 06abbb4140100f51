#include "stages/align/course.hpp"
#include "stages/align/step_ports.hpp"

namespace petavox::align {
namespace {

class CourseStep final : public Stage {
 public:
  explicit CourseStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    const Index reach = course_reach(settings_->spacing(last()));
    Contract c;
    InPort field = image_port(field_port(last()), 2, DTypeSet{DType::i32});
    field.reads.halo = Halo::symmetric({0, reach, reach});
    c.reads = {field};
    c.writes = {lattice_port(std::string{displacement_port}, DType::i32, 2, {1, 1, 1})};
    c.subvolume = {setup.domain.shape().z, 32, 32};
    c.scratch_bytes_per_voxel = 48;  // a banded matrix, the series, and the course
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    keep_course(inputs.image(field_port(last())), settings_->spacing(last()), settings_->course,
                outputs.image(displacement_port));
  }

 private:
  int last() const { return settings_->num_passes() - 1; }
  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> course_step(SharedSettings s) { return std::make_unique<CourseStep>(std::move(s)); }

}  // namespace petavox::align
