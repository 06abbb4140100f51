#pragma once
// Flood filling of one window: objects grow one after the other from seeds, each by a network that looks at
// the image and at what it has said of the object so far, and moves where the object goes on. M. Januszewski
// et al., "High-precision automated reconstruction of neurons with flood-filling networks", Nature Methods
// 15:605, 2018. Plain functions: the network is a call.

#include "petavox/base/function_ref.hpp"
#include "petavox/volume/array.hpp"

#include "stages/network/model.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace petavox::ffn {

/// Image channels and the object's logit over a field of view, in raster order -> what to add to the logit.
using Network = FunctionRef<void(std::span<const float> input, std::span<float> change)>;

struct Settings {
  network::Flooding flooding{};
  /// If more than this share of a field of view is of the object, voxels that the network has called
  /// background stay so; 1: never.
  double freeze_share = 0;
  /// Seeds closer than this to an earlier object are passed over.
  Extent min_boundary_distance{1, 1, 1};
  std::uint64_t min_size = 1000;  ///< voxels that an object must win, else it is given up
};

/// What was done.
struct Work {
  std::uint64_t moves = 0, seeds = 0, weak = 0, small = 0, objects = 0;
};

/// Fills `ids` (uint32, zero-filled) with 1, 2, … in the order of the objects. `image`: channels x ids.box(),
/// standardised; voxels outside `mask` are never moved to and never taken; `seeds` in the order of trial, all
/// at least half a field of view within the box. An object takes voxels that are still free. The result is a
/// function of the arguments, whatever was segmented before.
Work segment(std::span<const float> image, const std::optional<Array>& mask, std::span<const Coord> seeds,
             const Settings& settings, Network network, Array& ids);

/// What has become of a voxel while one object grew.
enum class Fate : std::uint8_t { never, let_go, held };

/// One object that grows alone from `seed`, which is at least half a field of view inside `box`; nothing else
/// is in its way. Fates over `box` in raster order: `held` at the end, or `let_go` again after a move that
/// had held it, both by segment_threshold. All `never` if the object lets go of its seed.
std::vector<Fate> grow_alone(std::span<const float> image, const std::optional<Array>& mask, const Box& box,
                             Coord seed, const Settings& settings, Network network);

/// What segment() holds beyond its arguments, in bytes per voxel.
inline constexpr double segment_bytes_per_voxel = 4;

}  // namespace petavox::ffn
