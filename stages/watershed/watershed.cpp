#include "stages/watershed/watershed.hpp"

#include "petavox/reduce/join_names.hpp"

#include "stages/watershed/kernel.hpp"

namespace petavox {
namespace {

/// First step: the fragments of a block and the joins across its lower faces.
class Fragments final : public Stage {
 public:
  explicit Fragments(Params& params)
      : low_{params.number("threshold_low", 0.1, {0, 1},
                           "edges with a lower affinity never join (fraction of full scale)")},
        high_{params.number("threshold_high", 0.98, {0, 2},
                            "edges with at least this affinity always join (above 1: none does)")} {
    if (low_ > high_)
      params.problem(
          "threshold_low",
          "threshold_low is above threshold_high (an edge cannot both join and not join); lower it");
  }

  Contract contract(const Setup&) const override {
    Contract c;
    InPort affinities;
    affinities.name = "affinities";
    affinities.accepts = {DType::u8, DType::u16};
    affinities.channels = 3;
    affinities.reads.halo = Halo::uniform(1);
    c.reads.push_back(affinities);
    OutPort fragments;
    fragments.name = "fragments";
    fragments.kind = PortKind::labels;
    c.writes.push_back(fragments);
    OutPort joins;
    joins.name = "joins";
    joins.kind = PortKind::table;
    joins.columns = join_row_columns();
    c.writes.push_back(joins);
    // The mask, if there is one; names and join candidates stay below this on all but absurd affinities.
    c.scratch_bytes_per_voxel = 1.5;
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const Box core = inputs.core();
    const Array affinities = inputs.image("affinities");
    const auto mask = inputs.mask(watershed::mask_needed(core, context.domain()));
    const auto thresholds = watershed::thresholds_of(low_, high_, affinities.dtype());
    const auto joins = watershed::fragments_of(affinities, mask, thresholds, outputs.labels("fragments"));
    outputs.table("joins").append(std::span<const watershed::SeamJoin>{joins});
  }

 private:
  double low_, high_;
};

}  // namespace

StageType watershed_stage() {
  return {"watershed", "supervoxels: each voxel joins along its strongest affinity", "built-in",
          [](Params& params) {
            StageProgram program;
            program.steps.emplace_back(std::make_unique<Fragments>(params));
            program.steps.emplace_back(std::make_unique<TreeReductionOf<JoinFragments>>(
                JoinFragments::Ports{"fragments", "joins", "supervoxels", false}));
            program.exports = {"supervoxels"};
            return program;
          }};
}

}  // namespace petavox
