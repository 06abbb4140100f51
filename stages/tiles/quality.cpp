#include "stages/tiles/quality.hpp"

#include "petavox/base/hash.hpp"

#include <algorithm>

namespace petavox::tiles {
namespace {

constexpr Index band_pixels = Index{1} << 21;

struct Sums {
  std::int64_t count = 0, full = 0, laplacians = 0;
  std::int64_t value = 0, square = 0, laplacian = 0;
  std::array<std::int64_t, static_cast<std::size_t>(cells*cells)> cell_value{}, cell_count{};
};

/// On the scale 0 to 255, whatever the type.
template <class T>
std::int64_t grey(T value) {
  return sizeof(T) == 1 ? std::int64_t{value} : (std::int64_t{value} + 128) / 257;
}

template <class T>
void add_rows(View<const T> band, Index top, Index first, Index last, Index height, Sums& sums) {
  const Box box = band.box();
  const Index width = box.shape().x;
  const auto row = [&](Index y) { return band.row(box.begin.z, box.begin.y + y - top).data(); };
  for (Index y = first; y < last; ++y) {
    const T* const here = row(y);
    const bool inner = y > 0 && y + 1 < height;
    const T* const above = inner ? row(y - 1) : here;
    const T* const below = inner ? row(y + 1) : here;
    const Index cell_y = y * cells / height;
    for (Index x = 0; x < width; ++x) {
      const std::int64_t v = grey(here[x]);
      if (v == 0) continue;
      const auto cell = static_cast<std::size_t>(cell_y * cells + x * cells / width);
      ++sums.count;
      sums.value += v;
      sums.square += v * v;
      sums.full += v == 255 ? 1 : 0;
      ++sums.cell_count[cell];
      sums.cell_value[cell] += v;
      if (!inner || x == 0 || x + 1 == width) continue;
      const std::int64_t n = grey(above[x]), s = grey(below[x]), w = grey(here[x - 1]), e = grey(here[x + 1]);
      if (n == 0 || s == 0 || w == 0 || e == 0) continue;
      const std::int64_t laplacian = 4 * v - n - s - w - e;
      sums.laplacian += laplacian * laplacian;
      ++sums.laplacians;
    }
  }
}

}  // namespace

Quality quality_of(Index height, Index width, const std::function<Array(Index, Index)>& read) {
  Sums sums;
  Quality q;
  const Index rows = std::max<Index>(1, band_pixels / std::max<Index>(1, width));
  for (Index y = 0; y < height; y += rows) {
    const Index last = std::min(height, y + rows);
    const Index top = std::max<Index>(0, y - 1);
    const Array band = read(top, std::min(height, last + 1));
    visit_dtype(band.dtype(), [&]<class T>(std::type_identity<T>) {
      if constexpr (std::is_same_v<T, std::uint8_t> || std::is_same_v<T, std::uint16_t>)
        add_rows<T>(band.view<T>(), top, y, last, height, sums);
    });
    q.hash = checksum(band.bytes(), q.hash);
  }
  if (sums.count == 0) return q;
  const auto n = static_cast<double>(sums.count);
  q.mean = static_cast<double>(sums.value) / n;
  const double variance = std::max(0.0, static_cast<double>(sums.square) / n - q.mean * q.mean);
  q.deviation = std::sqrt(variance);
  q.saturated = static_cast<double>(sums.full) / n;
  if (sums.laplacians > 0 && variance > 0)
    q.focus = static_cast<double>(sums.laplacian) / static_cast<double>(sums.laplacians) / variance;
  for (std::size_t i = 0; i < q.cell_means.size(); ++i)
    if (sums.cell_count[i] > 0)
      q.cell_means[i] = static_cast<double>(sums.cell_value[i]) / static_cast<double>(sums.cell_count[i]);
  return q;
}

TileState judged(const Quality& q, double min_deviation, double max_saturated) {
  constexpr double nothing = 0.5;  // a deviation below this is one grey level
  if (q.deviation < nothing) return TileState::blank;
  if (q.saturated > max_saturated) return TileState::saturated;
  return q.deviation < min_deviation ? TileState::low_contrast : TileState::good;
}

}  // namespace petavox::tiles
