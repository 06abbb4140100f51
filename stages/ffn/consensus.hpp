#pragma once
// Oversegmentation consensus of two segmentations of one box (M. Januszewski et al. 2018): two voxels stay
// together only if both segmentations have them together, so a merger that only one of them makes is undone.

#include "petavox/volume/array.hpp"

#include <cstdint>

namespace petavox::ffn {

/// `ids` and `other` (uint32, the same box): each pair of labels that share voxels becomes a label of `ids`,
/// numbered by its first voxel; background of either, and pairs of fewer than `min_size` voxels, become 0.
/// Returns the number of labels.
std::uint32_t intersect(Array& ids, const Array& other, std::uint64_t min_size);

}  // namespace petavox::ffn
