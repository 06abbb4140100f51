#pragma once
// The steps of stage `place_sections`: thin stages round the kernels. The chain: README.md.

#include "petavox/stage/stage.hpp"

#include "stages/place_sections/settings.hpp"

#include <memory>

namespace petavox::place_sections {

using SharedSettings = std::shared_ptr<const Settings>;

/// Channels of a pair, int64, over (section, sections back - 1, 0).
struct PairField {
  static constexpr int to_fixed = 0;  ///< six numbers (affine.hpp), in pixels of the search
  static constexpr int state = 6;     ///< 0 not looked for, 1 looked for and not found, 2 found
  static constexpr int flipped = 7, inliers = 8;
  static constexpr int ncc = 9, confidence = 10;  ///< in 2^-20
  static constexpr int count = 11;
};

/// `input` -> "place_small": each section reduced by one whole factor, and where it holds something.
std::unique_ptr<Stage> small_step(SharedSettings settings);
/// place_small -> "place_near": each section on the one before. A task is four sections.
std::unique_ptr<Stage> near_step(SharedSettings settings);
/// place_small, place_near -> "place_far": on those up to `reach` back, where a pair between them was not
/// found. A task is a pair.
std::unique_ptr<Stage> far_step(SharedSettings settings);
/// place_near, place_far -> "placement" (affine.hpp). One task; 176 bytes a section are read.
std::unique_ptr<Stage> chain_step(SharedSettings settings);
/// place_small, place_near, placement -> "place_evidence" (evidence.hpp): how alike sections are that lie on
/// each other. A task is four sections.
std::unique_ptr<Stage> evidence_step(SharedSettings settings);

}  // namespace petavox::place_sections
