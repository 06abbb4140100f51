#pragma once
// A volume cut into distorted, overlapping, noisy tiles, with the truth about every one: what alignment is
// scored against. The same options give the same bytes on every machine.

#include "petavox/io/output_root.hpp"
#include "petavox/volume/volume.hpp"

#include <string>
#include <vector>

namespace petavox::app {

struct TileCutSpec {
  Index tile_y = 256, tile_x = 256, overlap_px = 40;
  double jitter_px = 5;  ///< largest error of a tile's nominal place, per axis
  double rotation_deg = 2, shift_px = 8, scale_percent = 1, elastic_px = 6;  ///< largest of a section
  double noise = 4, gain_percent = 10;  ///< grey levels; of a tile, and of a tile's rim against its middle
  std::vector<std::string> damages;     ///< any of damage_names
  std::uint64_t seed = 1;
};

/// fold, crack: of one section each; missing: a section; thick: a section of double thickness; lost, blank: a
/// tile each.
inline constexpr const char* damage_names[] = {"fold", "crack", "missing", "thick", "lost", "blank"};

/// Writes tiles/*.png, tiles.csv (nominal places), truth.json (true places, transforms of sections, damages)
/// and truth.h5: /source_y and /source_x (float32, z,y,x), for every `truth_step`-th pixel of a section the
/// place in the volume that it shows. Returns the text of truth.json. Throws Error{config} for volumes that
/// are not one channel of uint8, or smaller than a tile.
std::string write_tile_phantom(const Volume& source, const TileCutSpec& spec, const OutputRoot& root,
                               bool overwrite);

inline constexpr Index truth_step = 8;

}  // namespace petavox::app
