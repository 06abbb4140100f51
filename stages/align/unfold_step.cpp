#include "stages/align/step_ports.hpp"
#include "stages/align/unfold.hpp"

namespace petavox::align {
namespace {

class UnfoldStep final : public Stage {
 public:
  explicit UnfoldStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort field = image_port(std::string{course_port}, 2, DTypeSet{DType::i32});
    field.reads.whole = {false, true, true};
    c.reads = {field};
    c.writes = {lattice_port(std::string{displacement_port}, DType::i32, 2, {1, 1, 1})};
    c.subvolume = {1, setup.domain.shape().y, setup.domain.shape().x};
    c.scratch_bytes_per_voxel = 50;  // displacements before and after, and three vectors of the solver
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    Array& field = outputs.image(displacement_port);
    copy_box(inputs.image(course_port), field, field.box());
    unfold(field, settings_->spacing(settings_->num_passes() - 1));
  }

 private:
  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> unfold_step(SharedSettings s) { return std::make_unique<UnfoldStep>(std::move(s)); }

}  // namespace petavox::align
