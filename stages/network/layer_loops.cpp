#include "stages/network/layer_loops.hpp"

#include <algorithm>

namespace petavox::network {

void upsample(const float* low, float* out, const std::array<Index, 5>& shape, Extent factor, bool sum,
              bool relu) {
  const auto [groups, nz, ny, nx, group] = shape;
  const Index lz = nz / factor.z, ly = ny / factor.y, lx = nx / factor.x;
  for (Index c = 0; c < groups; ++c)
    for (Index z = 0; z < nz; ++z)
      for (Index y = 0; y < ny; ++y) {
        const float* from = low + (((c * lz + z / factor.z) * ly + y / factor.y) * lx) * group;
        float* to = out + (((c * nz + z) * ny + y) * nx) * group;
        for (Index x = 0; x < nx; ++x, to += group) {
          const float* source = from + x / factor.x * group;
          for (Index k = 0; k < group; ++k) {
            float value = source[k];
            if (sum) value += to[k];
            to[k] = relu && value < 0 ? 0.0F : value;
          }
        }
      }
}

void add(const float* a, const float* b, std::size_t count, bool relu, float* to) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = a[i] + b[i];
    to[i] = relu && value < 0 ? 0.0F : value;
  }
}

void ungroup(const float* grouped, Index group, std::size_t voxels, std::span<float> to) {
  const auto size = static_cast<std::size_t>(group);
  // A stretch at a time, which stays in the cache while its channels leave.
  constexpr std::size_t stretch = 256;
  for (std::size_t begin = 0; begin < voxels; begin += stretch)
    for (std::size_t c = 0; c < to.size() / voxels; ++c) {
      const float* from = grouped + c / size * size * voxels + c % size;
      float* channel = to.data() + c * voxels;
      for (std::size_t v = begin; v < std::min(voxels, begin + stretch); ++v) channel[v] = from[v * size];
    }
}

}  // namespace petavox::network
