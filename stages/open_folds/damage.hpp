#pragma once
// Folds and cracks in one section: long and narrow, and darker, brighter or emptier than tissue. Exact
// integer arithmetic.

#include "stages/open_folds/picture.hpp"

#include <span>

namespace petavox::open_folds {

/// What a pixel of a reduced section is. Pieces are counted from 1.
enum class What : std::uint8_t {
  nothing = 0,
  last_piece = 15,
  scrap = 250,  ///< tissue in parts too small to be placed
  empty = 253,  ///< a gap between tissue
  bright = 254,
  dark = 255,
};
inline constexpr int most_pieces = static_cast<int>(What::last_piece);

struct DamageSettings {
  double min_length = 0.15;  ///< of the section's longer side; at least 96 pixels
  double contrast = 0.5;     ///< from the median grey (0) to the darkest or brightest 2 % of the pixels (1)
  double min_piece = 0.02;   ///< of what the section holds
};

/// For each pixel What::dark, bright or empty, or 0. Bars of two thirds of the least length, a hundredth of
/// the section wide, in 32 directions, whose mean lies beyond the contrast mark it, and what is nearly as
/// dark or bright there belongs to it, unless it is thin; gaps are what closing the section by a 32nd of its
/// side fills. Connected parts count if they are long enough, and at least three times as long as they are
/// wide.
Mask damage_of(const Picture& picture, const DamageSettings& settings);

/// Takes out of `damage` the parts that a neighbour has at the same place and of the same kind, to more than
/// half of their pixels: a vessel or a myelin sheath goes on from section to section, damage does not.
void drop_what_goes_on(Mask& damage, const Mask& neighbour);

/// Takes out of `damage` the parts, from the smallest, without which the section falls into as many pieces:
/// dark and long is many a row of organelles, bright and long many an axon, and what ends inside the section
/// moves nothing.
void drop_what_parts_nothing(const Picture& picture, const DamageSettings& settings, Mask& damage);

/// The pieces that damage leaves of the section, numbered from the largest; scraps; damage, with its rim.
/// Without damage there is one piece, connected or not.
Mask pieces_of(const Picture& picture, const Mask& damage, const DamageSettings& settings);

/// How many pieces there are, of what pieces_of() makes.
int num_pieces_of(std::span<const std::uint8_t> pieces);

}  // namespace petavox::open_folds
