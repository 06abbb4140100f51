#include "stages/long_range/kernel.hpp"

#include <algorithm>
#include <limits>

namespace petavox::long_range {
namespace {

template <class T>
void fill_channel(const View<const T>& affinities, Extent offset, int channel, const View<T>& out) {
  const Box& domain = affinities.domain();
  const Box inside = out.box().intersect({domain.begin - offset, domain.end - offset});
  const auto count = static_cast<std::size_t>(std::max<Index>(0, inside.end.x - inside.begin.x));
  const auto line = line_to(offset);
  for (Index z = inside.begin.z; z < inside.end.z; ++z)
    for (Index y = inside.begin.y; y < inside.end.y; ++y) {
      if (count == 0) return;
      const Coord first{z, y, inside.begin.x};
      T* const to = &out.at(channel, first);
      std::fill_n(to, count, std::numeric_limits<T>::max());
      for (const Step& step : line) {
        const T* const from = &affinities.at(step.channel, first + step.at);
        for (std::size_t i = 0; i < count; ++i) to[i] = std::min(to[i], from[i]);
      }
    }
}

}  // namespace

std::vector<Step> line_to(Extent offset) {
  std::vector<Step> line;
  Coord at{0, 0, 0};
  Extent done{0, 0, 0};
  const auto length = [&](int axis) { return std::abs(offset[axis]); };
  for (Index n = length(0) + length(1) + length(2); n > 0; --n) {
    // The line crosses its (done + 1)-th face across an axis at (done + 1/2) / length of its way.
    int next = -1;
    for (int axis = 0; axis < 3; ++axis)
      if (done[axis] < length(axis) &&
          (next < 0 || (2 * done[axis] + 1) * length(next) < (2 * done[next] + 1) * length(axis)))
        next = axis;
    ++done[next];
    // The edge (p, p-1) is stored at p.
    const bool down = offset[next] < 0;
    if (!down) ++at[next];
    line.push_back({next, at - Coord{0, 0, 0}});
    if (down) --at[next];
  }
  return line;
}

Halo halo_of(const std::vector<Extent>& offsets) {
  Halo halo;
  for (const Extent& offset : offsets)
    for (const Step& step : line_to(offset))
      for (int axis = 0; axis < 3; ++axis) {
        halo.low[axis] = std::max(halo.low[axis], -step.at[axis]);
        halo.high[axis] = std::max(halo.high[axis], step.at[axis]);
      }
  return halo;
}

void fill(const Array& affinities, const std::vector<Extent>& offsets, Array& out) {
  const auto all = [&]<class T>(std::type_identity<T>) {
    for (std::size_t k = 0; k < offsets.size(); ++k)
      fill_channel(affinities.view<T>(), offsets[k], static_cast<int>(k), out.view<T>());
  };
  if (affinities.dtype() == DType::u8)
    all(std::type_identity<std::uint8_t>{});
  else
    all(std::type_identity<std::uint16_t>{});
}

}  // namespace petavox::long_range
