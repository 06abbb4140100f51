#pragma once
// Random volumes that are hard on purpose: many ties, plateaus, saturated values, extreme values.

#include "petavox/testing/memory_values.hpp"

namespace petavox::testing {

enum class Texture { constant, two_values, few_values, uniform, smooth };
inline constexpr int num_textures = 5;

/// Integers over their whole range, floats in [0, 1].
Array random_image(DType type, const Box& domain, int channels, Texture texture, std::uint64_t seed);

/// Random bytes; zeros beyond a ragged rim that moves from section to section, in some holes and in one whole
/// section, as in a stack that was aligned.
Array ragged_image(const Box& domain, std::uint64_t seed);

/// Objects that are connected through faces and called by their first voxel, about `num_seeds` of them, and
/// some background.
Array random_labels(const Box& domain, std::uint64_t num_seeds, std::uint64_t seed);

/// A box's worth of zeros and ones, in lumps.
Array random_mask(const Box& domain, std::uint64_t seed);

/// The definition of connected components, read out loud: the objects of equal non-zero value, called by
/// their first voxel; `connectivity` 6, 18 or 26. For oracles: slow. Takes and returns uint64.
Array naive_components(const Array& values, int connectivity);

}  // namespace petavox::testing
