#pragma once
// A section at a coarser level, with what of it holds something.

#include "petavox/volume/array.hpp"

#include <vector>

namespace petavox::align {

/// Fills `out` (same type as `image`, two channels) on the grid coarsened by {1, level, level}: the mean of
/// the pixels that hold something, rounded half up, and 255 where at least half of them do, else 0. A pixel
/// holds nothing where it equals `background` or where `excluded` (any integer type, same box) is not 0.
/// `image`: uint8 or uint16, one channel, over refined(out.box()) clipped to its domain.
void make_level(const Array& image, const Array* excluded, Index level, double background, Array& out);

}  // namespace petavox::align
