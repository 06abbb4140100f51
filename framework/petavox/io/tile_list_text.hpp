#pragma once
// The text of a tile list, before any file that it names is looked at. Internal to petavox/io.

#include "petavox/io/tile_list.hpp"

#include <optional>
#include <string_view>

namespace petavox::detail {

struct TileListText {
  std::vector<TileEntry> tiles;       ///< name, section, y, x, beam, thickness
  std::vector<std::string> problems;  ///< lines that are not tiles
  std::optional<VoxelSizeNm> voxel_size_nm;
  Index margin = 64;  ///< of the canvas
};

inline constexpr std::size_t max_tiles = std::size_t{1} << 26;

/// Throw Error{config} for what is no list at all; `where` is for messages.
TileListText parse_tile_csv(std::string_view text, const std::string& where);
TileListText parse_tile_json(std::string_view text, const std::string& where);

}  // namespace petavox::detail
