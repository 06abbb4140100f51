#pragma once
// The steps of stage `open_folds`: thin stages round the kernels. The chain: README.md.

#include "petavox/stage/stage.hpp"

#include "stages/open_folds/settings.hpp"

#include <memory>

namespace petavox::open_folds {

using SharedSettings = std::shared_ptr<const Settings>;

/// Channels of a piece, int64, over (section, piece - 1, 0).
struct PlaceField {
  static constexpr int from_opened = 0;  ///< six numbers (affine.hpp), in pixels of the full resolution
  static constexpr int state = 6;        ///< PieceState
  static constexpr int pixels = 7;       ///< of the search: of the piece
  /// Of the section, in its first piece: pixels of the search that are dark, bright, empty, scrap, anything.
  static constexpr int dark = 8, bright = 9, empty = 10, scrap = 11, all = 12;
  static constexpr int count = 13;
};

/// `input` -> "fold_small": each section reduced by one whole factor, and where it holds something.
std::unique_ptr<Stage> fold_small_step(SharedSettings settings);
/// fold_small -> "fold_damage" (damage.hpp): what looks like damage. A task is a section.
std::unique_ptr<Stage> damage_step(SharedSettings settings);
/// fold_small, fold_damage -> "fold_pieces": what of it does not go on in a neighbour, and what it leaves.
std::unique_ptr<Stage> pieces_step(SharedSettings settings);
/// fold_small, fold_pieces -> "fold_places": where the pieces belong. A task is a section.
std::unique_ptr<Stage> places_step(SharedSettings settings);
/// `input`, fold_pieces, fold_places -> "opened", "excluded".
std::unique_ptr<Stage> opened_step(SharedSettings settings);

}  // namespace petavox::open_folds
