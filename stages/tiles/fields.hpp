#pragma once
// The numbers that pass between the steps of `stitch_tiles`: images of int32 over (layer, slot, 1), one pixel
// a tile, a channel for each number. Fixed point throughout, so that every reader computes with the same
// bits.

#include "petavox/volume/view.hpp"

#include <cmath>
#include <cstdint>

namespace petavox::tiles {

using FieldView = View<const std::int32_t>;

inline constexpr double units_per_px = 1024;    ///< of places and displacements
inline constexpr double units_per_grey = 256;   ///< of intensities, on the scale 0 to 255
inline constexpr double units_per_one = 65536;  ///< of ratios
inline constexpr int cells = 8;                 ///< of the flat field, per axis of a tile
inline constexpr int nodes = 4;                 ///< of the elastic correction, per axis of a tile
inline constexpr int max_partners = 8;          ///< later tiles that a tile is compared with
inline constexpr int max_patches = 16;          ///< places of one overlap

/// As the reader of tile lists gives it (petavox/io/tile_volumes.hpp).
namespace list_field {
enum { present, y, x, height, width, beam, count };
}

/// What became of a tile. The smaller reason wins.
enum class TileState : std::int32_t {
  absent = 0,
  good = 1,
  blank = 2,         ///< no content, or a damaged file: left out
  duplicate = 3,     ///< the pixels of an earlier tile of the section: left out
  low_contrast = 4,  ///< from here on: beneath good tiles
  saturated = 5,
  defocused = 6,
};
inline bool usable(TileState s) {
  return s != TileState::absent && s != TileState::blank && s != TileState::duplicate;
}

namespace quality_field {
enum {
  state,
  mean,
  deviation,
  focus,
  saturated,
  hash_high,
  hash_low,
  first_cell,
  count = first_cell + cells * cells
};
}

/// Of each partner: its slot, how the two were matched, then the patches.
namespace offset_field {
enum { partner, state, dy, dx, correlation, mean_own, mean_other, num_patches, first_patch };
enum { patch_y, patch_x, patch_dy, patch_dx, patch_weight, patch_fields };
inline constexpr int per_partner = first_patch + max_patches * patch_fields;
inline constexpr int count = max_partners * per_partner;
}  // namespace offset_field

/// Of a pair of tiles.
enum class PairState : std::int32_t { none = 0, linked = 1, no_match = 2, no_content = 3 };

namespace position_field {
enum { state, y, x, links, residual, gain, first_node };
inline constexpr int first_flat = first_node + 2 * nodes * nodes;
inline constexpr int count = first_flat + cells * cells;
}  // namespace position_field

/// The nearest unit; halves go up. The value must fit.
inline std::int32_t to_units(double value, double units) {
  return static_cast<std::int32_t>(std::floor(value * units + 0.5));
}

}  // namespace petavox::tiles
