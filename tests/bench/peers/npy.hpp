#pragma once
// Arrays in NumPy's .npy files, version 1.0, C order:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

#include "petavox/volume/array.hpp"

#include <string>

namespace petavox::bench {

/// Three axes z, y, x, or four with channels first. Throws Error{io} for anything else.
Array read_npy(const std::string& path);
/// Four axes if there is more than one channel.
void write_npy(const std::string& path, const Array& array);

}  // namespace petavox::bench
