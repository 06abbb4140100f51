#include "stages/place_sections/place_sections.hpp"

#include "stages/place_sections/report.hpp"
#include "stages/place_sections/steps.hpp"

namespace petavox {

StageType place_sections_stage() {
  return {"place_sections", "rotation, scale and place of each section, found without a starting guess",
          "built-in", [](Params& params) {
            const auto settings = std::make_shared<const place_sections::Settings>(params);
            StageProgram program;
            program.exports = {"placement", "placements"};
            program.steps.emplace_back(place_sections::small_step(settings));
            program.steps.emplace_back(place_sections::near_step(settings));
            program.steps.emplace_back(place_sections::far_step(settings));
            program.steps.emplace_back(place_sections::chain_step(settings));
            program.steps.emplace_back(place_sections::evidence_step(settings));
            program.steps.emplace_back(std::make_unique<TreeReductionOf<place_sections::PlacementReport>>());
            return program;
          }};
}

}  // namespace petavox
