#pragma once
// Where the pieces of a damaged section belong: each is placed on an undamaged neighbour, by the search of
// stages/coarse_align.

#include "stages/coarse_align/small_section.hpp"

#include <vector>

namespace petavox::open_folds {

using coarse_align::Affine;

enum class PieceState : std::uint8_t {
  none = 0,
  stays = 1,  ///< the largest, and those that lie no better elsewhere
  moved = 2,
  lost = 3,  ///< no neighbour shows where it belongs
};

struct PiecePlace {
  PieceState state = PieceState::none;
  Affine from_opened{};  ///< from the opened section, which lies as the largest piece does, to the section
};

/// A section and its pieces (damage.hpp; uint8, over the same box).
struct Cut {
  const coarse_align::SmallSection* section = nullptr;
  View<const std::uint8_t> pieces;
  int num_pieces = 0;
};

/// Places for the pieces of `cut`, the largest first. `neighbours` in the order in which they are asked: of
/// each its largest piece is looked at. Where none moves, all stay.
std::vector<PiecePlace> place_pieces(const Cut& cut, const std::vector<Cut>& neighbours,
                                     const coarse_align::Settings& settings);

}  // namespace petavox::open_folds
