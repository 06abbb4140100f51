#pragma once
// The sources of a virtual dataset. Internal to petavox/io.

#include "petavox/io/hdf5_dataset.hpp"

namespace petavox::hdf5 {

/// Reads and checks the mappings of a virtual dataset without opening a source. Expects a Lock. Throws
/// Error{io} for sources outside the directory tree and for anything but boxes of whole channels.
std::vector<Mapping> read_mappings(hid_t creation, const std::string& name);

}  // namespace petavox::hdf5
