#include "stages/open_folds/open_folds.hpp"

#include "stages/open_folds/report.hpp"
#include "stages/open_folds/steps.hpp"

namespace petavox {

StageType open_folds_stage() {
  return {"open_folds", "folds and cracks found, and what lies beyond them put where it belongs", "built-in",
          [](Params& params) {
            const auto settings = std::make_shared<const open_folds::Settings>(params);
            StageProgram program;
            program.exports = {"opened", "excluded", "folds"};
            program.steps.emplace_back(open_folds::fold_small_step(settings));
            program.steps.emplace_back(open_folds::damage_step(settings));
            program.steps.emplace_back(open_folds::pieces_step(settings));
            program.steps.emplace_back(open_folds::places_step(settings));
            program.steps.emplace_back(open_folds::opened_step(settings));
            program.steps.emplace_back(std::make_unique<TreeReductionOf<open_folds::FoldReport>>());
            return program;
          }};
}

}  // namespace petavox
