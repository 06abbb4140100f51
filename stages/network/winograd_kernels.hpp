#pragma once
// What winograd.cpp asks of winograd_simd.cpp.

#include "stages/network/winograd.hpp"

#include <cstddef>

namespace petavox::network::winograd {

inline constexpr int tile_z = 2, tile_y = 4, tile_x = 4;     ///< voxels of the result
inline constexpr int patch_z = 4, patch_y = 6, patch_x = 6;  ///< voxels of the input, and points
inline constexpr int points = patch_z * patch_y * patch_x;   ///< 144
inline constexpr int unit = 16;                              ///< channels of the result computed together

/// What a tile depends on, of channels that lie together; what is outside of the window counts as 0.
struct Patch {
  const float* planes[patch_z];  ///< the voxel (z, 0, 0) of each, or where it would be; null: outside
  std::ptrdiff_t y_stride, x_stride;
  int y_begin, y_end, x_begin, x_end;  ///< inside
};

/// Where a tile of the result goes, and how.
struct Target {
  float* voxels;  ///< the first one, its first channel
  std::ptrdiff_t z_stride, y_stride, x_stride;
  std::ptrdiff_t group_stride;  ///< from one group of channels to the next
  int group;                    ///< channels that lie together, 8 or 16
  int nz, ny, nx;               ///< of the tile's voxels that exist
  const float* bias;            ///< of the 16 channels
  bool add, relu;               ///< onto what is there; then max(0, .)
};

/// One set for each of the instructions in winograd.hpp. All of them do the same operations in the same
/// order.
struct Kernels {
  int lanes;  ///< channels in a vector
  int rows;   ///< tiles that multiply() computes together
  /// Transforms `channels` channels: to[point * to_stride + c].
  void (*transform_input)(const Patch& patch, int channels, float* to, std::size_t to_stride);
  /// For each point p: product[p][t][o] = sum over c of values[p][t][c] * weights[p][c][o], c in order; t of
  /// `tiles` tiles, a multiple of `rows`; o of 16. Strides are from point to point.
  void (*multiply)(const float* values, std::size_t value_stride, const float* weights, int channels,
                   int tiles, float* product, std::size_t product_stride);
  /// The result of one tile, 16 channels, from its products at product[point * stride].
  void (*transform_output)(const float* product, std::size_t stride, const Target& target);
};

/// Null if this program has none, or this machine cannot run them.
const Kernels* kernels(Instructions instructions);

}  // namespace petavox::network::winograd
