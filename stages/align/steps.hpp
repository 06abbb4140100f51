#pragma once
// The steps of stage `align`: thin stages round the kernels. The chain: README.md.

#include "petavox/stage/stage.hpp"

#include "stages/align/settings.hpp"

#include <memory>
#include <string>

namespace petavox::align {

using SharedSettings = std::shared_ptr<const Settings>;

/// Names of what the steps hand to each other.
std::string level_port(Index level);
std::string pass_port(const char* what, int pass);
/// "field_1" …
std::string field_port(int pass);
inline constexpr std::string_view course_port = "on_course", displacement_port = "displacement";
inline constexpr std::string_view placement_port = "placement";

/// `input` (and `excluded`) -> level_port: the image at a coarser level and where it holds something.
std::unique_ptr<Stage> level_step(SharedSettings settings, Index level);
/// level, placement, field of the pass before -> "placed": the sections on the canvas at the pass's level.
std::unique_ptr<Stage> placed_step(SharedSettings settings, int pass);
/// placed -> "flow".
std::unique_ptr<Stage> flow_step(SharedSettings settings, int pass);
/// flow -> "matches".
std::unique_ptr<Stage> clean_step(SharedSettings settings, int pass);
/// matches, field of the pass before -> "shift": the correction of the whole stack on the coarse lattice.
std::unique_ptr<Stage> solve_coarse_step(SharedSettings settings, int pass);
/// matches, shift, field of the pass before -> field, "residual".
std::unique_ptr<Stage> solve_fine_step(SharedSettings settings, int pass);
/// The last field, placement -> "wholes": what the field does to each section as a whole (course.hpp), six
/// int64 over (section, 0, 0) (coarse_align/affine.hpp). A task is a section.
std::unique_ptr<Stage> whole_step(SharedSettings settings);
/// The last field, wholes, placement -> "on_course": the field on the canvas on which tissue keeps its course
/// (course.hpp).
std::unique_ptr<Stage> course_step(SharedSettings settings);
/// on_course -> "displacement": nowhere folded over (unfold.hpp). A task is a section.
std::unique_ptr<Stage> unfold_step(SharedSettings settings);
/// input, placement, displacement -> "aligned".
std::unique_ptr<Stage> render_step(SharedSettings settings);
/// aligned, input, the last matches and residual, displacement -> "quality".
std::unique_ptr<Stage> quality_step(SharedSettings settings);

}  // namespace petavox::align
