#pragma once
// Virtual datasets of any origin. Internal to petavox/io.

#include "petavox/io/hdf5_dataset.hpp"

namespace petavox::hdf5 {

/// Reads the sources itself, each opened and checked like any other file: the library would show fill values
/// where a source is missing, and follow links. Throws Error{io} where the sources do not cover a box that is
/// read.
std::unique_ptr<Hdf5Volume> make_virtual_volume(Dataset dataset, const Hdf5Options& options);

}  // namespace petavox::hdf5
