#include "petavox/volume/empty_voxels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace petavox {
namespace {

constexpr std::int32_t none = std::numeric_limits<std::int32_t>::max();

/// For each voxel of a row the step along it to the nearest one that holds something, or `none`.
template <class T>
void steps_along(std::span<const T> row, Index reach, std::int32_t* steps) {
  const auto n = static_cast<Index>(row.size());
  Index last = -1;
  for (Index x = 0; x < n; ++x) {
    if (row[static_cast<std::size_t>(x)] != T{0}) last = x;
    steps[x] = last >= 0 && x - last <= reach ? static_cast<std::int32_t>(last - x) : none;
  }
  last = -1;
  for (Index x = n - 1; x >= 0; --x) {
    if (row[static_cast<std::size_t>(x)] != T{0}) last = x;
    if (last < 0 || last - x > reach) continue;
    if (steps[x] == none || last - x < -steps[x]) steps[x] = static_cast<std::int32_t>(last - x);
  }
}

template <class T>
T as_value(double v) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(v);
  else
    return static_cast<T>(std::clamp(std::floor(v + 0.5), static_cast<double>(std::numeric_limits<T>::min()),
                                     static_cast<double>(std::numeric_limits<T>::max())));
}

template <class T>
void fill_plane(View<T> image, Index z, const Extent& reach, T otherwise, std::vector<std::int32_t>& steps) {
  const Box& box = image.box();
  const Index height = box.shape().y, width = box.shape().x;
  bool any = false;
  for (Index y = 0; y < height; ++y) {
    const std::span<T> row = image.row(z, box.begin.y + y);
    any = any || std::ranges::find(row, T{0}) != row.end();
    steps_along<T>(row, reach.x, steps.data() + y * width);
  }
  if (!any) return;
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      if (steps[static_cast<std::size_t>(y * width + x)] == 0) continue;
      Index best = std::numeric_limits<Index>::max(), from_y = 0, from_x = 0;
      const auto look = [&](Index dy) {
        if (y + dy < 0 || y + dy >= height) return;
        const Index step = steps[static_cast<std::size_t>((y + dy) * width + x)];
        if (step == none || dy * dy + step * step >= best) return;
        best = dy * dy + step * step;
        from_y = y + dy;
        from_x = x + step;
      };
      look(0);
      for (Index dy = 1; dy <= reach.y && dy * dy < best; ++dy) {
        look(-dy);
        look(dy);
      }
      // What is read here holds something, so no voxel that was filled is copied.
      image[{z, box.begin.y + y, box.begin.x + x}] =
          best == std::numeric_limits<Index>::max() ? otherwise
                                                    : image[{z, box.begin.y + from_y, box.begin.x + from_x}];
    }
}

}  // namespace

EmptyVoxels empty_voxels(const Array& image, const Box& box) {
  EmptyVoxels empty;
  empty.box = box.intersect(image.box());
  empty.is.reserve(static_cast<std::size_t>(empty.box.voxels()));
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto view = image.view<T>();
    empty.box.for_each([&](Coord p) { empty.is.push_back(view[p] == T{0} ? 1 : 0); });
  });
  empty.any = std::ranges::find(empty.is, 1) != empty.is.end();
  empty.all = std::ranges::find(empty.is, 0) == empty.is.end();
  return empty;
}

void fill_empty(Array& image, const Extent& reach, double otherwise) {
  const Extent shape = image.box().shape();
  std::vector<std::int32_t> steps(static_cast<std::size_t>(shape.y * shape.x));
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    for (Index z = image.box().begin.z; z < image.box().end.z; ++z)
      fill_plane<T>(image.view<T>(), z, reach, as_value<T>(otherwise), steps);
  });
}

void leave_out(const EmptyVoxels& empty, std::span<const Coord> offsets, View<std::uint8_t> out) {
  if (!empty.any) return;
  for (int c = 0; c < out.channels(); ++c) {
    const Coord offset = offsets.empty() ? Coord{} : offsets[static_cast<std::size_t>(c)];
    out.box().for_each([&](Coord p) {
      if (empty.at(p) || empty.at({p.z - offset.z, p.y - offset.y, p.x - offset.x})) out.at(c, p) = 0;
    });
  }
}

}  // namespace petavox
