#include "petavox/volume/array.hpp"

#include <algorithm>

namespace petavox {

void copy_box(const Array& from, Array& to, const Box& box) {
  PETAVOX_ASSERT(from.dtype() == to.dtype() && from.channels() == to.channels());
  PETAVOX_ASSERT(from.box().contains(box) && to.box().contains(box));
  if (box.empty()) return;
  visit_dtype(from.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto source = from.view<T>();
    const auto target = to.view<T>();
    const auto row_bytes = usize(box.shape().x) * sizeof(T);
    for (int c = 0; c < from.channels(); ++c)
      for (Index z = box.begin.z; z < box.end.z; ++z)
        for (Index y = box.begin.y; y < box.end.y; ++y)
          std::memcpy(&target.at(c, {z, y, box.begin.x}), &source.at(c, {z, y, box.begin.x}), row_bytes);
  });
}

void fill_box(Array& into, int channel, const Box& box, std::span<const std::byte> voxel) {
  PETAVOX_ASSERT(into.box().contains(box) && voxel.size() == size_of(into.dtype()));
  visit_dtype(into.dtype(), [&]<class T>(std::type_identity<T>) {
    T value{};
    std::memcpy(&value, voxel.data(), sizeof value);
    const auto target = into.view<T>();
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = box.begin.y; y < box.end.y && box.shape().x > 0; ++y)
        std::fill_n(&target.at(channel, {z, y, box.begin.x}), usize(box.shape().x), value);
  });
}

}  // namespace petavox
