#include "stages/coarse_align/features.hpp"
#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::coarse_align {
namespace {

constexpr float min_contrast = 0.03F;  // of a difference, in standard deviations of the image
constexpr float max_edge_ratio = 10;   // between the two curvatures of a blob
constexpr Index border = 5;            // pixels of an octave without keypoints
constexpr Index min_extent = 24;       // of an octave

double sigma_of_level(int level) {
  double sigma = base_sigma;
  for (int i = 0; i < level; ++i) sigma *= third_root_of_2;
  return sigma;
}

Octave make_octave(Plane base, double pixel) {
  Octave octave;
  octave.pixel = pixel;
  octave.gaussians.push_back(std::move(base));
  for (int level = 1; level < intervals + 3; ++level) {
    const double before = sigma_of_level(level - 1), after = sigma_of_level(level);
    octave.gaussians.push_back(smoothed(octave.gaussians.back(), std::sqrt(after * after - before * before)));
    const Plane& high = octave.gaussians.back();
    const Plane& low = octave.gaussians[octave.gaussians.size() - 2];
    Plane difference{high.height, high.width};
    for (std::size_t i = 0; i < difference.values.size(); ++i)
      difference.values[i] = high.values[i] - low.values[i];
    octave.differences.push_back(std::move(difference));
  }
  return octave;
}

/// True if no neighbour in the 3 x 3 x 3 cube reaches the centre's value.
bool is_extremum(const Octave& octave, std::size_t level, Index y, Index x) {
  const float value = octave.differences[level].at(y, x);
  for (std::size_t l = level - 1; l <= level + 1; ++l)
    for (Index dy = -1; dy <= 1; ++dy)
      for (Index dx = -1; dx <= 1; ++dx) {
        if (l == level && dy == 0 && dx == 0) continue;
        const float other = octave.differences[l].at(y + dy, x + dx);
        if (value > 0 ? other >= value : other <= value) return false;
      }
  return true;
}

bool on_edge(const Plane& d, Index y, Index x) {
  const float yy = d.at(y + 1, x) + d.at(y - 1, x) - 2 * d.at(y, x);
  const float xx = d.at(y, x + 1) + d.at(y, x - 1) - 2 * d.at(y, x);
  const float yx = (d.at(y + 1, x + 1) - d.at(y + 1, x - 1) - d.at(y - 1, x + 1) + d.at(y - 1, x - 1)) / 4;
  const float trace = yy + xx, determinant = yy * xx - yx * yx;
  constexpr float limit = (max_edge_ratio + 1) * (max_edge_ratio + 1) / max_edge_ratio;
  return determinant <= 0 || trace * trace >= limit * determinant;
}

}  // namespace

std::vector<Octave> scale_space(const Plane& image, bool doubled_first) {
  std::vector<Octave> octaves;
  if (image.height < min_extent || image.width < min_extent) return octaves;
  // A camera's image counts as already smoothed by half a pixel, which is one pixel when doubled.
  const double before = doubled_first ? 1 : 0.25;
  Plane base = smoothed(doubled_first ? doubled(image) : image, std::sqrt(base_sigma * base_sigma - before));
  for (double pixel = doubled_first ? 0.5 : 1; base.height >= min_extent && base.width >= min_extent;
       pixel *= 2) {
    octaves.push_back(make_octave(std::move(base), pixel));
    base = halved(octaves.back().gaussians[intervals]);
  }
  return octaves;
}

std::vector<Blob> find_blobs(const std::vector<Octave>& octaves, const Plane& inside) {
  std::vector<Blob> blobs;
  for (std::size_t o = 0; o < octaves.size(); ++o) {
    const Octave& octave = octaves[o];
    for (std::size_t level = 1; level <= intervals; ++level) {
      const Plane& d = octave.differences[level];
      for (Index y = border; y < d.height - border; ++y)
        for (Index x = border; x < d.width - border; ++x) {
          const float value = d.at(y, x);
          if (std::abs(value) < min_contrast || !is_extremum(octave, level, y, x) || on_edge(d, y, x))
            continue;
          const double shift =
              vertex(octave.differences[level - 1].at(y, x), value, octave.differences[level + 1].at(y, x));
          Blob blob;
          blob.octave = o;
          blob.level = level;
          blob.point.y =
              octave.pixel * (static_cast<double>(y) + vertex(d.at(y - 1, x), value, d.at(y + 1, x)));
          blob.point.x =
              octave.pixel * (static_cast<double>(x) + vertex(d.at(y, x - 1), value, d.at(y, x + 1)));
          // 2^(shift / 3) to second order.
          const double e = shift * 0.23104906018664842;
          blob.point.scale = octave.pixel * sigma_of_level(static_cast<int>(level)) * (1 + e + e * e / 2);
          blob.point.strength = std::abs(value);
          if (sample(inside, blob.point.y, blob.point.x) > 0.5F) blobs.push_back(blob);
        }
    }
  }
  return blobs;
}

}  // namespace petavox::coarse_align
