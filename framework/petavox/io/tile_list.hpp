#pragma once
// A list of overlapping image tiles: which files make up which section, and where the microscope put them.
//
// CSV: a header line with the columns file, section, x, y and, if there are any, beam and thickness, in any
// order; then a line for each tile; lines "# key: value" set `voxel_size_nm: z, y, x` and `margin: pixels`.
// JSON: {"voxel_size_nm": [z, y, x], "margin": 64, "tiles": [{"file": …, "section": …, "x": …, "y": …}, …]}.
// x and y are the nominal place of the tile's first pixel, in pixels; `thickness` is that of the section, in
// sections. Files lie beneath the directory of the list.
//
// Promises: a tile that cannot be used is left out and reported, and so are duplicates and missing sections,
// all of them; only a list from which nothing is left, or which is not a list, is an error. Pixels are not
// read: what is wrong inside a file is found by whoever decodes it. Thread-safe.

#include "petavox/geometry/box.hpp"
#include "petavox/volume/volume.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace petavox {

struct TileEntry {
  std::filesystem::path file;  ///< absolute
  std::string name;            ///< as in the list
  std::int64_t section = 0;    ///< number in the list
  Index z = 0;             ///< layer of the volume: sections in ascending order, gaps and thick ones counted
  double y = 0, x = 0;     ///< nominal place, pixels
  std::int64_t beam = -1;  ///< -1: not given
  double thickness = 1;    ///< of its section
  Index height = 0, width = 0;
  int bits = 8;
};

struct TileList {
  std::vector<TileEntry> tiles;       ///< by z, then in the order of the list
  std::vector<std::string> problems;  ///< what was left out and why, one line each
  Index num_layers = 0;               ///< sections, missing and doubled ones included
  Index slots = 0;                    ///< most tiles of a section
  Index height = 0, width = 0;        ///< of the largest tile, per axis
  int bits = 8;                       ///< 16 if any tile has 16
  Extent canvas{0, 0, 0};             ///< of all sections: the nominal bounding box and a margin
  double origin_y = 0, origin_x = 0;  ///< nominal place of the canvas' first pixel
  VoxelSizeNm voxel_size_nm{1, 1, 1};
};

/// Reads the list and the headers of its files. Throws Error{io} if the list cannot be read, Error{config} if
/// it is no list, is too large (2^26 tiles, 4 GiB) or has no usable tile.
TileList read_tile_list(const std::filesystem::path& file);

/// By its name: *.csv or *.json.
bool is_tile_list(const std::filesystem::path& file);

}  // namespace petavox
