#pragma once
// One window of the lattice: the image round a core brought into the form that a network takes, and its
// result brought back into voxels. Plain functions on views.

#include "petavox/volume/array.hpp"

#include "stages/network/model.hpp"

#include <span>

namespace petavox::network {

/// Where each voxel of a window comes from along one axis: the voxel itself inside the domain, its mirror
/// image beyond it (the faces are not repeated), or none (-1) where even that is outside [low, high), the
/// voxels that can be read.
std::vector<Index> sources(Index begin, Index extent, Index low, Index high, Index domain_low,
                           Index domain_high);

/// Fills `to` (channels x window, raster order) with (voxel - mean) / deviation; voxels without a source
/// become 0. `image` holds what can be read of the window that begins at `begin`.
void fill_window(const Array& image, Coord begin, Extent window, float mean, float deviation,
                 std::span<float> to);

/// True if no voxel of `box` differs from zero.
bool all_zero(const Array& image, const Box& box);

/// One of the eight mirrorings of a window: the axes that are flipped.
struct Flips {
  bool z = false, y = false, x = false;
  static constexpr int count = 8;
  /// 0 flips nothing.
  static Flips of(int number) { return {(number & 4) != 0, (number & 2) != 0, (number & 1) != 0}; }
  bool operator[](int axis) const { return axis == 0 ? z : axis == 1 ? y : x; }
};

/// The mirror image of all channels of a window.
void flip_window(std::span<const float> from, Extent window, Flips flips, std::span<float> to);

/// Adds to `sum` what a network said of the mirrored window, brought back. In the mirror the pair of v and
/// v - offset is that of the mirror image of v - offset and the voxel behind it, so channel i (of
/// offsets[i], along one axis; no offsets: not of pairs) is shifted too. Voxels nearer to the low faces of
/// the window than their offset get nothing.
void add_flipped(std::span<const float> result, Extent window, Flips flips, std::span<const Coord> offsets,
                 std::span<float> sum);

/// Writes channels[i] of `result` (values in 0..1 over a window that begins at `begin`) to channel i of
/// `out`, as 255 x, rounded. If `affinities`, pairs that reach out of the domain are 0: channels[i] is the
/// offset's.
void store_window(std::span<const float> result, Coord begin, Extent window, std::span<const Coord> offsets,
                  View<std::uint8_t> out);

/// Writes values[k] where class k has the greatest of `result` (classes x window), the first of equal ones.
void store_types(std::span<const float> result, Coord begin, Extent window,
                 std::span<const std::uint8_t> values, View<std::uint8_t> out);

}  // namespace petavox::network
