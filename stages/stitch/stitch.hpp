#pragma once
// Stage `stitch`: joins the labels of overlapping subvolumes that any segmenter wrote (OutPort::window), by
// mutual greatest overlap. The result depends on the lattice of subvolumes, never on blocks, ranks or
// schedule.

#include "petavox/stage/registry.hpp"

#include <optional>

namespace petavox {

/// The lattice on which labels are segmented, and when two of them are joined.
struct Stitching {
  Extent subvolume, overlap;
  double iou_threshold = 0.5;

  /// Asks for subvolume, overlap and iou_threshold. `usual` is the default lattice of a stage that segments
  /// and stitches; without one the subvolume must be given.
  explicit Stitching(Params& params, std::optional<Extent> usual = std::nullopt,
                     Extent usual_overlap = {16, 16, 16});
};

/// Adds the steps that read the windowed labels `labels` and write `stitched`; for stages that segment in
/// subvolumes and stitch at once.
void add_stitching(const Stitching& settings, StageProgram& program);

/// The program of a stage whose step `Windows`, made from its parameters and the lattice, segments
/// subvolumes: they are stitched.
template <class Windows>
StageProgram stitched_program(Params& params, const Stitching& lattice) {
  StageProgram program;
  program.steps.emplace_back(std::make_unique<Windows>(params, lattice));
  add_stitching(lattice, program);
  program.exports = {"stitched"};
  return program;
}

StageType stitch_stage();

}  // namespace petavox
