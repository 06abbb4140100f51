#pragma once
// Where voxels come from, as the user writes it, and as a configuration says it.

#include "petavox/io/tile_volumes.hpp"
#include "petavox/pipeline/config.hpp"
#include "petavox/volume/volume.hpp"

#include <memory>
#include <string>

namespace petavox::app {

/// One line for --help.
inline constexpr const char* where_help =
    "file.h5:/dataset, RUN_DIR:volume, a directory, pattern or file of PNG, TIFF or JPEG images, or a list "
    "of "
    "tiles (tiles.csv, or tiles.csv:/tiles)";

/// Opens what `where` names. Throws Error{io} or Error{config} that says what there is instead.
std::unique_ptr<Volume> open_where(const std::string& where);

/// The tiles of a list (petavox/io/tile_list.hpp): one set for all inputs that name the same file.
std::shared_ptr<const TileSet> open_tile_set(const std::filesystem::path& list);

/// The volume of an input of a configuration: HDF5, images, tiles or a phantom, with its voxel size. The
/// InputOpener of every run.
std::unique_ptr<Volume> open_input(const InputSpec& spec);

}  // namespace petavox::app
