#pragma once
// Where voxels come from, as the user writes it, and as a configuration says it.

#include "petavox/pipeline/config.hpp"
#include "petavox/volume/volume.hpp"

#include <memory>
#include <string>

namespace petavox::app {

/// One line for --help.
inline constexpr const char* where_help =
    "file.h5:/dataset, RUN_DIR:volume, or a directory, pattern or file of PNG or TIFF images";

/// Opens what `where` names. Throws Error{io} or Error{config} that says what there is instead.
std::unique_ptr<Volume> open_where(const std::string& where);

/// The volume of an input of a configuration: HDF5, images or a phantom, with its voxel size. The InputOpener
/// of every run.
std::unique_ptr<Volume> open_input(const InputSpec& spec);

}  // namespace petavox::app
