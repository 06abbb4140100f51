#include "stages/network/window.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::network {

std::vector<Index> sources(Index begin, Index extent, Index low, Index high, Index domain_low,
                           Index domain_high) {
  const Index period = std::max<Index>(1, 2 * (domain_high - domain_low - 1));
  std::vector<Index> from(static_cast<std::size_t>(extent));
  for (Index i = 0; i < extent; ++i) {
    Index p = begin + i - domain_low;
    p -= floor_div(p, period) * period;
    p = domain_low + std::min(p, period - p);
    if (domain_high - domain_low == 1) p = domain_low;
    from[static_cast<std::size_t>(i)] = p >= low && p < high ? p : -1;
  }
  return from;
}

void fill_window(const Array& image, Coord begin, Extent window, float mean, float deviation,
                 std::span<float> to) {
  const Box& box = image.box();
  const Box& domain = image.domain();
  std::vector<Index> from[3];
  for (int axis = 0; axis < 3; ++axis) {
    from[axis] = sources(begin[axis], window[axis], box.begin[axis], box.end[axis], domain.begin[axis],
                         domain.end[axis]);
  }
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto view = image.view<T>();
    float* next = to.data();
    for (int c = 0; c < image.channels(); ++c)
      for (const Index z : from[0])
        for (const Index y : from[1]) {
          if (z < 0 || y < 0) {
            std::fill_n(next, window.x, 0.0F);
            next += window.x;
            continue;
          }
          const auto row = view.row(z, y, c);
          for (const Index x : from[2])
            *next++ = x < 0 ? 0.0F
                            : (static_cast<float>(row[static_cast<std::size_t>(x - box.begin.x)]) - mean) /
                                  deviation;
        }
  });
}

bool all_zero(const Array& image, const Box& box) {
  return visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto view = image.view<T>();
    for (int c = 0; c < image.channels(); ++c)
      for (Index z = box.begin.z; z < box.end.z; ++z)
        for (Index y = box.begin.y; y < box.end.y; ++y) {
          const auto row =
              view.row(z, y, c).subspan(static_cast<std::size_t>(box.begin.x - view.box().begin.x),
                                        static_cast<std::size_t>(box.shape().x));
          if (std::any_of(row.begin(), row.end(), [](T v) { return v != T{0}; })) return false;
        }
    return true;
  });
}

void flip_window(std::span<const float> from, Extent window, Flips flips, std::span<float> to) {
  const Index planes = static_cast<Index>(from.size()) / (window.y * window.x);
  for (Index plane = 0; plane < planes; ++plane) {
    const Index channel = plane / window.z, z = plane % window.z;
    for (Index y = 0; y < window.y; ++y) {
      const Index source = (channel * window.z + (flips.z ? window.z - 1 - z : z)) * window.y +
                           (flips.y ? window.y - 1 - y : y);
      const float* row = from.data() + source * window.x;
      float* out = to.data() + (plane * window.y + y) * window.x;
      if (flips.x)
        std::reverse_copy(row, row + window.x, out);
      else
        std::copy_n(row, window.x, out);
    }
  }
}

void add_flipped(std::span<const float> result, Extent window, Flips flips, std::span<const Coord> offsets,
                 std::span<float> sum) {
  const Index channels = static_cast<Index>(sum.size()) / window.voxels();
  for (Index c = 0; c < channels; ++c) {
    const Coord offset = offsets.empty() ? Coord{} : offsets[static_cast<std::size_t>(c)];
    // From voxel v to the voxel of the mirrored window that knows its pair: v, or last - v + offset.
    Coord first, step;
    Coord begin{};
    for (int axis = 0; axis < 3; ++axis) {
      step[axis] = flips[axis] ? -1 : 1;
      first[axis] = flips[axis] ? window[axis] - 1 + offset[axis] : 0;
      begin[axis] = std::max<Index>(0, offset[axis]);
    }
    for (Index z = begin.z; z < window.z + std::min<Index>(0, offset.z); ++z)
      for (Index y = begin.y; y < window.y + std::min<Index>(0, offset.y); ++y) {
        const Index row = (c * window.z + first.z + step.z * z) * window.y + first.y + step.y * y;
        const Index from = row * window.x + first.x;
        float* to = sum.data() + ((c * window.z + z) * window.y + y) * window.x;
        for (Index x = begin.x; x < window.x + std::min<Index>(0, offset.x); ++x)
          to[x] += result[static_cast<std::size_t>(from + step.x * x)];
      }
  }
}

void store_window(std::span<const float> result, Coord begin, Extent window, std::span<const Coord> offsets,
                  View<std::uint8_t> out) {
  const Box& core = out.box();
  const Box& domain = out.domain();
  const Box region = Box::from(begin, window);
  for (int c = 0; c < out.channels(); ++c) {
    const float* channel = result.data() + static_cast<Index>(c) * window.voxels();
    const Coord offset = offsets.empty() ? Coord{} : offsets[static_cast<std::size_t>(c)];
    for (Index z = core.begin.z; z < core.end.z; ++z)
      for (Index y = core.begin.y; y < core.end.y; ++y) {
        const auto row = out.row(z, y, c);
        const float* from = channel + region.raster({z, y, core.begin.x});
        for (Index x = core.begin.x; x < core.end.x; ++x) {
          const auto i = static_cast<std::size_t>(x - core.begin.x);
          const bool pair = domain.contains(Coord{z - offset.z, y - offset.y, x - offset.x});
          // Written so that a value that is no number becomes 0.
          const float value = from[i] > 0 ? std::min(from[i], 1.0F) : 0.0F;
          row[i] = pair ? static_cast<std::uint8_t>(value * 255.0F + 0.5F) : std::uint8_t{0};
        }
      }
  }
}

void store_types(std::span<const float> result, Coord begin, Extent window,
                 std::span<const std::uint8_t> values, View<std::uint8_t> out) {
  const Box region = Box::from(begin, window);
  const auto voxels = static_cast<std::size_t>(window.voxels());
  out.box().for_each([&](Coord p) {
    const auto at = static_cast<std::size_t>(region.raster(p));
    std::size_t best = 0;
    for (std::size_t k = 1; k < values.size(); ++k)
      if (result[k * voxels + at] > result[best * voxels + at]) best = k;
    out[p] = values[best];
  });
}

}  // namespace petavox::network
