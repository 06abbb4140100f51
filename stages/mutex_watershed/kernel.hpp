#pragma once
// The mutex watershed of one window. Plain functions on arrays; the definition is in docs/invariance.md, the
// method in README.md.

#include "petavox/volume/label_array.hpp"

#include <optional>
#include <vector>

namespace petavox::mutex_watershed {

/// Which pairs of voxels have an edge, and how edges are ordered.
struct Graph {
  /// Channel k at v belongs to the pair (v, v + offsets[k]).
  std::vector<Extent> offsets;
  /// The first channels attract with weight a, the others repel with weight 1 - a.
  int num_attractive = 3;
  /// A repulsive edge exists at every stride-th voxel v of each axis, counted from the domain's corner.
  Extent strides{1, 1, 1};
  /// Attractive edges below this value do not exist; on the integer scale of the affinities.
  std::int32_t threshold = 0;
  /// Added to the weight of repulsive edges: negative lets attraction win more often. Integer scale.
  std::int32_t repulsive_bias = 0;
};

struct Work {
  /// Edges held at once, at 8 bytes; 0: as many as voxels. Never changes a result.
  std::size_t edges_at_once = 0;
  /// Set to the bytes that were held beyond the arrays given.
  std::size_t peak_bytes = 0;
};

/// Fills labels.ids (uint32 over the window affinities.box(), any content) with local ids in order of first
/// appearance, 0 outside the mask, and labels.names with 1 + the raster index in the domain of each label's
/// first voxel. Only edges with both voxels in the window and inside the mask count, so the result is a
/// function of the window's affinities and mask.
/// `affinities`: uint8 or uint16, one channel for each offset. `mask`: uint8 over the window, 0 outside.
/// Throws Error{resource} for a window of 2^31 voxels or more, Error{contract} on a wrong type, box or number
/// of channels.
void segment(const Array& affinities, const std::optional<Array>& mask, const Graph& graph,
             LabelArray& labels, Work& work);

/// Makes labels with fewer voxels than `least` background; the others keep their order.
void remove_small(LabelArray& labels, std::uint64_t least);

}  // namespace petavox::mutex_watershed
