#include "stages/align/level.hpp"

#include "stages/align/section_sums.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace petavox::align {
namespace {

template <class T>
void make_level_typed(View<const T> image, const std::vector<std::uint8_t>& out_of_use, Index level,
                      double background, View<T> out) {
  const Box &held = image.box(), &made = out.box();
  // Else a value that no pixel has.
  constexpr double largest = std::numeric_limits<T>::max();
  const bool some = background >= 0 && background <= largest && std::floor(background) == background;
  const std::int32_t nothing = some ? static_cast<std::int32_t>(background) : no_pixel;
  const Index width = made.shape().x, x_begin = std::max(made.begin.x * level, held.begin.x),
              x_end = std::max(x_begin, std::min(made.end.x * level, held.end.x));
  // A column is summed over its rows first, then columns.
  std::vector<std::uint32_t> sums(static_cast<std::size_t>(x_end - x_begin)), counts = sums;
  for (Index z = made.begin.z; z < made.end.z; ++z)
    for (Index y = made.begin.y; y < made.end.y; ++y) {
      std::ranges::fill(sums, 0);
      std::ranges::fill(counts, 0);
      const Index y_begin = std::max(y * level, held.begin.y), y_end = std::min((y + 1) * level, held.end.y);
      for (Index q = y_begin; q < y_end; ++q) {
        const auto at = static_cast<std::size_t>(held.raster({z, q, x_begin}));
        add_used(image.row(z, q).data() + (x_begin - held.begin.x),
                 out_of_use.empty() ? nullptr : &out_of_use[at], nothing, x_end - x_begin, sums.data(),
                 counts.data());
      }
      T* const to = out.row(z, y, 0).data();
      T* const valid = out.row(z, y, 1).data();
      for (Index x = 0; x < width; ++x) {
        const Index begin = std::max((made.begin.x + x) * level, x_begin),
                    end = std::min((made.begin.x + x + 1) * level, x_end);
        std::uint64_t sum = 0, count = 0;
        for (Index p = begin - x_begin; p < end - x_begin; ++p) {
          sum += sums[static_cast<std::size_t>(p)];
          count += counts[static_cast<std::size_t>(p)];
        }
        // Quotients of 64 bits take longer than all the rest.
        to[x] = static_cast<T>(count <= 1                   ? sum
                               : (count & (count - 1)) == 0 ? (2 * sum + count) >> std::bit_width(count)
                                                            : (2 * sum + count) / (2 * count));
        valid[x] =
            2 * static_cast<Index>(count) >= (y_end - y_begin) * (end - begin) && count > 0 ? T{255} : T{0};
      }
    }
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
