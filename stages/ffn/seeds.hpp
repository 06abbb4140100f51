#pragma once
// Where flood filling begins: in the middle of what no edge crosses. Plain functions on arrays.

#include "petavox/base/function_ref.hpp"
#include "petavox/volume/array.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace petavox::ffn {

/// Peaks of the distance to the nearest edge, in raster order. Edges are voxels whose gradient (Sobel) is
/// above its Gaussian mean (sigma 49/6 voxels) and voxels outside `mask`; a peak is the greatest in the cube
/// of 7^3 voxels round it, equal distances being ordered by `random` of the voxel. Those within `margin`
/// voxels of a face of `box` are left out. `image`: raster order of `box`, any scale.
std::vector<Coord> seeds(std::span<const float> image, const Box& box, const std::optional<Array>& mask,
                         Extent margin, FunctionRef<std::uint64_t(Coord)> random);

/// What seeds() holds at most, in bytes per voxel of `box`.
inline constexpr double seeds_bytes_per_voxel = 16;

/// The gradient's magnitude with Sobel's weights, mirrored at the faces of `box` (the face voxel repeated).
std::vector<float> sobel_magnitude(std::span<const float> image, Extent shape);

/// Gaussian mean, in place, cut at four sigma, mirrored in the same way.
void gaussian_mean(std::span<float> values, Extent shape, double sigma);

}  // namespace petavox::ffn
