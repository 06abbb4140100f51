#pragma once
// Moving voxels between arrays and the chunks of a file. Internal to petavox/io and petavox/export.
// A chunk buffer holds the voxels of `chunk_box`, z,y,x, x fastest, of one channel.

#include "petavox/volume/array.hpp"

#include <span>

namespace petavox {

/// Copies `what` (inside both boxes) from a chunk into one channel of an array.
void copy_from_chunk(std::span<const std::byte> chunk, const Box& chunk_box, Array& into, int channel,
                     const Box& what);
/// Copies `what` (inside both boxes) from one channel of an array into a chunk.
void copy_to_chunk(const Array& from, int channel, const Box& what, std::span<std::byte> chunk,
                   const Box& chunk_box);

/// Throws Error{contract} unless `into` has this type, these channels and a box inside `domain`.
void check_read(const Array& into, DType type, int channels, const Box& domain, const std::string& name);

}  // namespace petavox
