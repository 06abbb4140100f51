#include "petavox/volume/array.hpp"

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

}  // namespace petavox
