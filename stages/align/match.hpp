#pragma once
// A match of a patch: where its surroundings lie in another section, from its scores at all displacements.

#include <cstdint>

namespace petavox::align {

enum class MatchState : std::uint8_t {
  good = 0,
  no_content = 1,  ///< too few valid pixels, or nothing but one grey level
  at_edge = 2,     ///< the best displacement is the largest looked for
  ambiguous = 3,   ///< the second peak is nearly as high
  flat = 4,        ///< the peak is no peak
  deviant = 5,     ///< unlike its neighbours
};

struct Match {
  MatchState state = MatchState::no_content;
  double dy = 0, dx = 0;  ///< the patch at p looks like the other section at p + d
  double peak = 0;        ///< correlation there, -1 to 1
  double ratio = 0;  ///< to the highest correlation elsewhere (beyond 5 pixels); 100 if that is not positive
  double sharpness = 0;  ///< peak less the mean correlation 3 pixels away
  double share = 0;      ///< of the patch that is valid in both there
  friend bool operator==(const Match&, const Match&) = default;
};

/// The match of the highest score, with its place to a fraction of a pixel: the vertex of the parabola
/// through three correlations on each axis. `scores` as scores_of() gives them (cell_kernels.hpp), of
/// displacements from (-radius, -radius) on, rows of `stride`.
Match best_match(const double* scores, int radius, long stride);

}  // namespace petavox::align
