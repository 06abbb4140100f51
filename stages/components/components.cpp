#include "stages/components/components.hpp"

#include "petavox/reduce/join_names.hpp"

#include "stages/components/kernel.hpp"

namespace petavox {
namespace {

using components::Foreground;

struct Settings {
  int connectivity;
  Foreground foreground;

  explicit Settings(Params& params)
      : connectivity{std::stoi(params.choice("connectivity", "6", {"6", "18", "26"},
                                             "neighbours of a voxel: through faces, edges, corners"))} {
    const std::string rule = params.choice(
        "foreground", "labels", {"labels", "above", "at_least"},
        "labels: equal values other than 0 connect; above, at_least: voxels beyond `threshold`");
    foreground.threshold = params.number("threshold", 0, {}, "for foreground: above or at_least");
    foreground.rule = rule == "labels"  ? Foreground::Rule::labels
                      : rule == "above" ? Foreground::Rule::above
                                        : Foreground::Rule::at_least;
    if (rule == "labels" && params.has("threshold"))
      params.problem("threshold",
                     "threshold has no meaning with foreground: labels (every label other than 0 counts); "
                     "remove it or set foreground: above");
  }
};

/// First step: the fragments of a block and the joins with voxels before it.
class Fragments final : public Stage {
 public:
  explicit Fragments(const Settings& settings) : settings_{settings} {}

  Contract contract(const Setup&) const override {
    Contract c;
    InPort image;
    image.name = "image";
    image.volume = "input";
    if (settings_.foreground.rule == Foreground::Rule::labels)
      image.accepts = {DType::u8, DType::u16, DType::u32, DType::u64,
                       DType::i8, DType::i16, DType::i32, DType::i64};
    image.reads.halo = components::halo_of(settings_.connectivity);
    c.reads.push_back(image);
    OutPort fragments;
    fragments.name = "fragments";
    fragments.kind = PortKind::labels;
    c.writes.push_back(fragments);
    OutPort joins;
    joins.name = "joins";
    joins.kind = PortKind::table;
    joins.columns = join_row_columns();
    c.writes.push_back(joins);
    // 4 bytes a run and the mask: one byte a voxel at runs of four voxels or more.
    c.scratch_bytes_per_voxel = 2;
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Array image = inputs.image("image");
    const auto mask = inputs.mask(image.box());
    const auto joins = components::fragments_of(image, mask, settings_.foreground, settings_.connectivity,
                                                outputs.labels("fragments"));
    outputs.table("joins").append(std::span<const components::SeamJoin>{joins});
  }

 private:
  Settings settings_;
};

}  // namespace

StageType components_stage() {
  return {"components", "connected components of a mask or of equal labels", "built-in", [](Params& params) {
            const Settings settings{params};
            StageProgram program;
            program.steps.emplace_back(std::make_unique<Fragments>(settings));
            program.steps.emplace_back(std::make_unique<TreeReductionOf<JoinFragments>>(
                JoinFragments::Ports{"fragments", "joins", "components", settings.connectivity != 6}));
            program.exports = {"components"};
            return program;
          }};
}

}  // namespace petavox
