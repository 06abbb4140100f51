#include "stages/align/level.hpp"

namespace petavox::align {
namespace {

template <class T>
void make_level_typed(View<const T> image, const std::vector<std::uint8_t>& out_of_use, Index level,
                      double background, View<T> out) {
  const Box& held = image.box();
  out.box().for_each([&](Coord p) {
    const Box cell = refined(Box::from(p, {1, 1, 1}), {1, level, level}).intersect(held);
    std::uint64_t sum = 0, count = 0;
    cell.for_each([&](Coord q) {
      const T v = image[q];
      if (static_cast<double>(v) == background) return;
      if (!out_of_use.empty() && out_of_use[static_cast<std::size_t>(held.raster(q))] != 0) return;
      sum += v;
      ++count;
    });
    out.at(0, p) = count == 0 ? T{0} : static_cast<T>((2 * sum + count) / (2 * count));
    out.at(1, p) = 2 * static_cast<Index>(count) >= cell.voxels() && count > 0 ? T{255} : T{0};
  });
}

}  // namespace

void make_level(const Array& image, const Array* excluded, Index level, double background, Array& out) {
  std::vector<std::uint8_t> out_of_use;
  if (excluded != nullptr) {
    PETAVOX_ASSERT(excluded->box() == image.box());
    visit_dtype(excluded->dtype(), [&]<class T>(std::type_identity<T>) {
      for (const T v : excluded->view<T>().channel()) out_of_use.push_back(v != T{0} ? 1 : 0);
    });
  }
  if (image.dtype() == DType::u8)
    make_level_typed(image.view<std::uint8_t>(), out_of_use, level, background, out.view<std::uint8_t>());
  else
    make_level_typed(image.view<std::uint16_t>(), out_of_use, level, background, out.view<std::uint16_t>());
}

}  // namespace petavox::align
