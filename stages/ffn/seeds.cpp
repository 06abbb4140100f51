#include "stages/ffn/seeds.hpp"

#include "stages/boundary/gaussian.hpp"
#include "stages/distance/kernel.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::ffn {
namespace {

constexpr double smoothing_sigma = 49.0 / 6.0;
constexpr Index peak_radius = 3;

/// Index of i mirrored into 0 … n - 1: … 1 0 | 0 1 2 ….
Index mirrored(Index i, Index n) {
  const Index period = 2 * n;
  i -= floor_div(i, period) * period;
  return i < n ? i : period - 1 - i;
}

/// Squared distance of each voxel to the nearest edge; 0 on edges.
Array distances_to(const std::vector<float>& gradient, const std::vector<float>& mean, const Box& box,
                   const std::optional<Array>& mask) {
  Array free{DType::u32, box};
  const auto ids = free.view<std::uint32_t>().channel();
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = gradient[i] > mean[i] ? 0U : 1U;
  if (mask) {
    const auto inside = mask->view<std::uint8_t>().channel();
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (inside[i] == 0) ids[i] = 0;
  }
  distance::Grid grid;
  grid.bound = 1 << 20;
  return distance::squared(free, box, grid);
}

/// True if no voxel of the cube round p comes before it.
bool is_peak(const View<const std::int32_t>& squares, Coord p, FunctionRef<std::uint64_t(Coord)> random) {
  const std::int32_t own = squares[p];
  const Box cube = Box{{p.z - peak_radius, p.y - peak_radius, p.x - peak_radius},
                       {p.z + peak_radius + 1, p.y + peak_radius + 1, p.x + peak_radius + 1}}
                       .intersect(squares.box());
  for (Index z = cube.begin.z; z < cube.end.z; ++z)
    for (Index y = cube.begin.y; y < cube.end.y; ++y)
      for (Index x = cube.begin.x; x < cube.end.x; ++x)
        if (squares[{z, y, x}] > own) return false;
  bool first = true;
  cube.for_each([&](Coord q) {
    if (!first || q == p || squares[q] != own) return;
    first = std::pair{random(p), p} > std::pair{random(q), q};
  });
  return first;
}

}  // namespace

std::vector<float> sobel_magnitude(std::span<const float> image, Extent shape) {
  std::vector<float> magnitude(image.size());
  const auto at = [&](Index z, Index y, Index x) {
    return image[static_cast<std::size_t>((z * shape.y + y) * shape.x + x)];
  };
  std::size_t next = 0;
  for (Index z = 0; z < shape.z; ++z)
    for (Index y = 0; y < shape.y; ++y)
      for (Index x = 0; x < shape.x; ++x) {
        // The 27 voxels round it, then differences weighted 1 2 1 across.
        const Index zs[3]{mirrored(z - 1, shape.z), z, mirrored(z + 1, shape.z)};
        const Index ys[3]{mirrored(y - 1, shape.y), y, mirrored(y + 1, shape.y)};
        const Index xs[3]{mirrored(x - 1, shape.x), x, mirrored(x + 1, shape.x)};
        constexpr float weight[3]{1, 2, 1};
        float dz = 0, dy = 0, dx = 0;
        for (int i = 0; i < 3; ++i)
          for (int k = 0; k < 3; ++k) {
            const float w = weight[i] * weight[k];
            dz += w * (at(zs[2], ys[i], xs[k]) - at(zs[0], ys[i], xs[k]));
            dy += w * (at(zs[i], ys[2], xs[k]) - at(zs[i], ys[0], xs[k]));
            dx += w * (at(zs[i], ys[k], xs[2]) - at(zs[i], ys[k], xs[0]));
          }
        magnitude[next++] = std::sqrt(dz * dz + dy * dy + dx * dx);
      }
  return magnitude;
}

void gaussian_mean(std::span<float> values, Extent shape, double sigma) {
  const boundary::Taps taps = boundary::gaussian_taps(sigma, 4);
  for (int axis = 0; axis < 3; ++axis) {
    const Index n = shape[axis];
    const Index stride = axis == 0 ? shape.y * shape.x : axis == 1 ? shape.x : 1;
    // Lines of the axis, as many at once as lie side by side.
    const Index width = axis == 2 ? 1 : shape.x;
    std::vector<float> line(static_cast<std::size_t>(n * width)), sum(static_cast<std::size_t>(width));
    const Index starts = shape.voxels() / (n * width);
    for (Index s = 0; s < starts; ++s) {
      float* const first = values.data() + (axis == 0 ? s * width : axis == 1 ? s * n * width : s * n);
      for (Index i = 0; i < n; ++i) std::copy_n(first + i * stride, width, line.data() + i * width);
      for (Index i = 0; i < n; ++i) {
        const float* const middle = line.data() + i * width;
        for (Index x = 0; x < width; ++x) sum[static_cast<std::size_t>(x)] = taps.weights[0] * middle[x];
        for (int t = 1; t <= taps.radius(); ++t) {
          const float* const low = line.data() + mirrored(i - t, n) * width;
          const float* const high = line.data() + mirrored(i + t, n) * width;
          const float weight = taps.weights[static_cast<std::size_t>(t)];
          for (Index x = 0; x < width; ++x) sum[static_cast<std::size_t>(x)] += weight * (low[x] + high[x]);
        }
        std::copy_n(sum.data(), width, first + i * stride);
      }
    }
  }
}

std::vector<Coord> seeds(std::span<const float> image, const Box& box, const std::optional<Array>& mask,
                         Extent margin, FunctionRef<std::uint64_t(Coord)> random) {
  std::optional<Array> distances;
  {
    const std::vector<float> gradient = sobel_magnitude(image, box.shape());
    std::vector<float> mean = gradient;
    gaussian_mean(mean, box.shape(), smoothing_sigma);
    distances = distances_to(gradient, mean, box, mask);
  }
  const auto squares = std::as_const(*distances).view<std::int32_t>();
  std::vector<Coord> found;
  Box{box.begin + margin, box.end - margin}.for_each([&](Coord p) {
    if (squares[p] > 0 && is_peak(squares, p, random)) found.push_back(p);
  });
  return found;
}

}  // namespace petavox::ffn
