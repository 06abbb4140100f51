#pragma once
// Scale-invariant keypoints and their descriptors (Lowe 2004, IJCV 60:91), with arithmetic that is the same
// on every machine.

#include "stages/coarse_align/plane.hpp"

#include <array>
#include <cstdint>

namespace petavox::coarse_align {

struct Keypoint {
  double y = 0, x = 0;  ///< pixels
  double scale = 0;     ///< standard deviation of the blob, pixels
  double angle = 0;     ///< of the dominant gradient, in [0, 2 pi)
  float strength = 0;   ///< of the response
  friend bool operator==(const Keypoint&, const Keypoint&) = default;
};

/// 4 x 4 cells of 8 gradient directions, of unit length times 512, cut at 255.
using Descriptor = std::array<std::uint8_t, 128>;

struct Features {
  std::vector<Keypoint> points;
  std::vector<Descriptor> descriptors;  ///< one for each point
};

/// One octave of the scale space: Gaussians of rising width on one grid.
struct Octave {
  double pixel = 1;                ///< pixels of the image per pixel of the octave
  std::vector<Plane> gaussians;    ///< standard deviation 1.6 x 2^(i/3) pixels of the octave
  std::vector<Plane> differences;  ///< gaussians[i + 1] - gaussians[i]
};
inline constexpr int intervals = 3;        ///< scales per octave
inline constexpr double base_sigma = 1.6;  ///< of the first Gaussian of an octave
inline constexpr double third_root_of_2 = 1.2599210498948732;

/// With `doubled_first` a first octave of half a pixel comes before the others: more and finer keypoints.
std::vector<Octave> scale_space(const Plane& image, bool doubled_first);
/// Blobs: extrema of the differences over space and scale, without edges and weak ones; without angles.
/// Only where `inside` is above 0.5. `octave` and `level` say where each was found.
struct Blob {
  Keypoint point;
  std::size_t octave = 0, level = 0;
};
std::vector<Blob> find_blobs(const std::vector<Octave>& octaves, const Plane& inside);

/// The strongest `max_features` keypoints of an image whose local contrast is even (standard deviation 1)
/// and which is 0 where it holds nothing. In a fixed order. `doubled_first`: see scale_space().
Features features_of(const Plane& image, const Plane& inside, int max_features, bool doubled_first);

}  // namespace petavox::coarse_align
