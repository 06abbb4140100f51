#pragma once
// A tile list as volumes, so that the pipeline reads tiles as it reads anything else:
//
//   tiles   (layers, slots * height, width), uint8, or uint16 if any tile has 16 bits (8-bit ones are then
//           scaled by 257): tile number s of layer z lies at [z, s * height …, 0 …]; 0 beside it, and all 0
//           if its file turns out to be damaged
//   list    (layers, slots, 1), int32, channels of TileField: what the list says of that tile
//   mosaic  (layers, canvas), as `tiles`: the tiles where the microscope put them, later ones beneath
//
// Thread safety: may be read from any thread; all volumes of a set share the decoded tiles.

#include "petavox/io/tile_list.hpp"

#include <memory>

namespace petavox {

/// Channels of the list; places in 1/1024 pixel from the canvas' first pixel.
enum class TileField { present, y, x, height, width, beam };
inline constexpr int num_tile_fields = 6;
inline constexpr std::int32_t tile_units_per_px = 1024;

class TileSet {
 public:
  explicit TileSet(TileList list, std::size_t cache_bytes = std::size_t{256} << 20);
  ~TileSet();
  const TileList& list() const;
  /// "tiles", "list" or "mosaic". Throws Error{config} for other names.
  static std::unique_ptr<Volume> volume(std::shared_ptr<const TileSet> set, const std::string& name);

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace petavox
