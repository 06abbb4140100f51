#include "stages/align/level.hpp"

#include <algorithm>
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
  const int nothing = some ? static_cast<int>(background) : -1;
  const Index width = made.shape().x;
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(width)), counts = sums;
  for (Index z = made.begin.z; z < made.end.z; ++z)
    for (Index y = made.begin.y; y < made.end.y; ++y) {
      std::ranges::fill(sums, 0);
      std::ranges::fill(counts, 0);
      const Index y_begin = std::max(y * level, held.begin.y), y_end = std::min((y + 1) * level, held.end.y);
      const auto columns = [&](Index x) {
        return std::pair{std::max((made.begin.x + x) * level, held.begin.x),
                         std::min((made.begin.x + x + 1) * level, held.end.x)};
      };
      for (Index q = y_begin; q < y_end; ++q) {
        const T* const row = image.row(z, q).data();
        const std::uint8_t* const hidden =
            out_of_use.empty() ? nullptr
                               : &out_of_use[static_cast<std::size_t>(held.raster({z, q, held.begin.x}))];
        for (Index x = 0; x < width; ++x) {
          std::uint64_t sum = 0, count = 0;
          const auto [begin, end] = columns(x);
          for (Index p = begin; p < end; ++p) {
            const Index at = p - held.begin.x;
            const bool used = row[at] != nothing && (hidden == nullptr || hidden[at] == 0);
            sum += used ? row[at] : 0;
            count += used ? 1 : 0;
          }
          sums[static_cast<std::size_t>(x)] += sum;
          counts[static_cast<std::size_t>(x)] += count;
        }
      }
      T* const to = out.row(z, y, 0).data();
      T* const valid = out.row(z, y, 1).data();
      for (Index x = 0; x < width; ++x) {
        const std::uint64_t sum = sums[static_cast<std::size_t>(x)],
                            count = counts[static_cast<std::size_t>(x)];
        const auto [begin, end] = columns(x);
        to[x] = static_cast<T>(count <= 1 ? sum : (2 * sum + count) / (2 * count));
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
