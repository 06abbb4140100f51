#include "stages/align/align.hpp"

#include "stages/align/steps.hpp"
#include "stages/align/summary.hpp"

#include <algorithm>

namespace petavox {

StageType align_stage() {
  return {"align", "sections brought into register by an elastic mesh on cross-correlation flow", "built-in",
          [](Params& params) {
            const auto settings = std::make_shared<const align::Settings>(params);
            StageProgram program;
            program.exports = {"aligned", "displacement", "quality", "alignment"};
            auto& steps = program.steps;
            std::vector<Index> made;
            for (int pass = 0; pass < settings->num_passes(); ++pass) {
              const Index level = settings->level(pass);
              if (level > 1 && std::find(made.begin(), made.end(), level) == made.end()) {
                steps.emplace_back(align::level_step(settings, level));
                made.push_back(level);
              }
              steps.emplace_back(align::placed_step(settings, pass));
              steps.emplace_back(align::flow_step(settings, pass));
              steps.emplace_back(align::clean_step(settings, pass));
              steps.emplace_back(align::solve_coarse_step(settings, pass));
              steps.emplace_back(align::solve_fine_step(settings, pass));
            }
            steps.emplace_back(align::whole_step(settings));
            steps.emplace_back(align::course_step(settings));
            steps.emplace_back(align::unfold_step(settings));
            steps.emplace_back(align::render_step(settings));
            steps.emplace_back(align::quality_step(settings));
            steps.emplace_back(std::make_unique<TreeReductionOf<align::AlignmentSummary>>());
            return program;
          }};
}

}  // namespace petavox
