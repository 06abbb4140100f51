#pragma once
// Layers that are plain loops: as primitives of a library they are slow or need other layouts. Activations
// lie as [channels / group][z][y][x][group].

#include "petavox/geometry/coord.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace petavox::network {

/// out[c][z][y][x][k] += or = low[c][z / fz][y / fy][x / fx][k], then max(0, .): nearest-neighbour
/// upsampling. `shape` is that of `out`: groups, z, y, x, group.
void upsample(const float* low, float* out, const std::array<Index, 5>& shape, Extent factor, bool sum,
              bool relu);

/// to[i] = a[i] + b[i], then max(0, .).
void add(const float* a, const float* b, std::size_t count, bool relu, float* to);

/// The first channels of `grouped`, each by itself: `to` is channels x voxels.
void ungroup(const float* grouped, Index group, std::size_t voxels, std::span<float> to);

}  // namespace petavox::network
