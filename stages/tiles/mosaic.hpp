#pragma once
// Rendering of a section from its tiles: each pixel of the canvas is the weighted mean of the tiles there. An
// expression of absolute coordinates, so that the cutting cannot matter.

#include "stages/tiles/pieces.hpp"

namespace petavox::tiles {

/// Fills one layer of `out` (uint8, a box of one z): 0 where no tile is, 1 to 255 elsewhere. `positions`: the
/// fields of the whole section.
void render_section(const Section& section, FieldView positions, const Settings& settings,
                    View<std::uint8_t> out);

}  // namespace petavox::tiles
