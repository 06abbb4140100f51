#include "stages/coarse_align/small_section.hpp"

#include <algorithm>

namespace petavox::coarse_align {

Index reduction_of(const Box& domain, Index extent) {
  const Extent shape = domain.shape();
  return ceil_div(std::max(shape.y, shape.x), extent);
}

Affine enlarged(Index reduction) {
  Affine t;
  t.yy = t.xx = static_cast<double>(reduction);
  t.y0 = t.x0 = 0.5 * static_cast<double>(reduction - 1);
  return t;
}

SmallSection::SmallSection(const Array& reduced, const Box& plane)
    : image{DType::u8, plane}, mask{DType::u8, plane} {
  visit_dtype(reduced.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto from = reduced.view<T>();
    double low = 1e300, high = -1e300;
    plane.for_each([&](Coord p) {
      if (from.at(1, p) == T{0}) return;
      low = std::min(low, static_cast<double>(from.at(0, p)));
      high = std::max(high, static_cast<double>(from.at(0, p)));
    });
    const double stretch = high > low ? 254 / (high - low) : 0;
    const auto pixels = image.view<std::uint8_t>(), inside = mask.view<std::uint8_t>();
    plane.for_each([&](Coord p) {
      if (from.at(1, p) == T{0}) return;
      inside[p] = 1;
      pixels[p] = static_cast<std::uint8_t>(1.5 + (static_cast<double>(from.at(0, p)) - low) * stretch);
    });
  });
}

}  // namespace petavox::coarse_align
