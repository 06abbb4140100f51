#include "stages/downsample/kernel.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

namespace petavox::downsample {
namespace {

/// The fine voxels of coarse voxel p that are in the domain.
Box cell_of(Coord p, Extent factor, const Box& domain) {
  return refined(Box::from(p, Extent::cube(1)), factor).intersect(domain);
}

template <class T>
void mean_rows(View<const T> fine, View<T> coarse, Extent factor) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;
  const Box& box = coarse.box();
  if (box.empty()) return;
  std::vector<Sum> sums(static_cast<std::size_t>(box.shape().x));
  for (int channel = 0; channel < coarse.channels(); ++channel)
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = box.begin.y; y < box.end.y; ++y) {
        const Box first = cell_of({z, y, box.begin.x}, factor, fine.domain());
        std::fill(sums.begin(), sums.end(), Sum{0});
        for (Index fz = first.begin.z; fz < first.end.z; ++fz)
          for (Index fy = first.begin.y; fy < first.end.y; ++fy) {
            const T* const row = fine.row(fz, fy, channel).data() - fine.box().begin.x;
            for (Index x = box.begin.x; x < box.end.x; ++x) {
              const Index begin = std::max(x * factor.x, fine.domain().begin.x);
              const Index end = std::min((x + 1) * factor.x, fine.domain().end.x);
              Sum sum = sums[static_cast<std::size_t>(x - box.begin.x)];
              for (Index fx = begin; fx < end; ++fx) sum += static_cast<Sum>(row[fx]);
              sums[static_cast<std::size_t>(x - box.begin.x)] = sum;
            }
          }
        const auto out = coarse.row(z, y, channel);
        for (Index x = box.begin.x; x < box.end.x; ++x) {
          const auto i = static_cast<std::size_t>(x - box.begin.x);
          const Index n = cell_of({z, y, x}, factor, fine.domain()).voxels();
          if constexpr (std::is_floating_point_v<T>)
            out[i] = static_cast<T>(sums[i] / static_cast<double>(n));
          else
            out[i] = static_cast<T>(floor_div(2 * sums[i] + n, 2 * n));
        }
      }
}

/// The most frequent of the values, the smallest of several. Sorts them.
template <class T>
T mode_of_values(std::vector<T>& values) {
  if (std::all_of(values.begin(), values.end(), [&](T v) { return v == values.front(); }))
    return values.front();
  std::sort(values.begin(), values.end());
  T best = values.front();
  std::size_t best_count = 0;
  for (std::size_t i = 0; i < values.size();) {
    std::size_t end = i + 1;
    while (end < values.size() && values[end] == values[i]) ++end;
    if (end - i > best_count) {
      best_count = end - i;
      best = values[i];
    }
    i = end;
  }
  return best;
}

/// Calls put(p, mode) for each voxel of `box`; value(p) is the fine value.
template <class T, class Value, class Put>
void for_each_mode(const Box& box, const Box& domain, Extent factor, const Value& value, const Put& put) {
  std::vector<T> values;
  box.for_each([&](Coord p) {
    values.clear();
    cell_of(p, factor, domain).for_each([&](Coord q) { values.push_back(value(q)); });
    put(p, mode_of_values(values));
  });
}

}  // namespace

Extent factor_of(const VoxelSizeNm& voxel_size_nm, int halvings) {
  VoxelSizeNm size = voxel_size_nm;
  Extent factor{1, 1, 1};
  for (int step = 0; step < halvings; ++step) {
    const double shortest = *std::min_element(size.begin(), size.end());
    for (int k = 0; k < 3; ++k) {
      auto& length = size[static_cast<std::size_t>(k)];
      if (length > 1.5 * shortest) continue;
      length *= 2;
      factor[k] *= 2;
    }
  }
  return factor;
}

void mean_of(const Array& fine, Array& coarse, Extent factor) {
  visit_dtype(fine.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (sizeof(T) <= 4)
      mean_rows<T>(fine.view<T>(), coarse.view<T>(), factor);
    else
      throw Error{ErrorCode::contract, std::string{"no mean of "} + name_of(fine.dtype()) +
                                           " (sums would not be exact); use method: mode for labels"};
  });
}

void mode_of(const Array& fine, Array& coarse, Extent factor) {
  visit_dtype(fine.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_integral_v<T>) {
      const View<const T> in = fine.view<T>();
      const View<T> out = coarse.view<T>();
      for (int c = 0; c < out.channels(); ++c)
        for_each_mode<T>(
            out.box(), fine.domain(), factor, [&](Coord q) { return in.at(c, q); },
            [&](Coord p, T mode) { out.at(c, p) = mode; });
    } else {
      throw Error{ErrorCode::contract, "no mode of float32 (values hardly repeat); use method: mean"};
    }
  });
}

void mode_of(const LabelArray& fine, LabelArray& coarse, Extent factor) {
  // Local ids in the order of names, so that the smallest of several is the smallest name.
  std::vector<std::uint32_t> by_name(fine.names.size());
  for (std::size_t i = 0; i < by_name.size(); ++i) by_name[i] = static_cast<std::uint32_t>(i + 1);
  std::sort(by_name.begin(), by_name.end(),
            [&](std::uint32_t a, std::uint32_t b) { return fine.name(a) < fine.name(b); });
  std::vector<std::uint32_t> rank(fine.names.size() + 1, 0), new_id(rank.size(), 0);
  for (std::size_t i = 0; i < by_name.size(); ++i) rank[by_name[i]] = static_cast<std::uint32_t>(i + 1);

  const View<const std::uint32_t> in = fine.ids.view<std::uint32_t>();
  const View<std::uint32_t> out = coarse.ids.view<std::uint32_t>();
  coarse.names.clear();
  for_each_mode<std::uint32_t>(
      out.box(), fine.ids.domain(), factor, [&](Coord q) { return rank[in[q]]; },
      [&](Coord p, std::uint32_t mode) {
        if (mode == 0) {
          out[p] = 0;
          return;
        }
        if (new_id[mode] == 0) {
          coarse.names.push_back(fine.name(by_name[mode - 1]));
          new_id[mode] = static_cast<std::uint32_t>(coarse.names.size());
        }
        out[p] = new_id[mode];
      });
}

}  // namespace petavox::downsample
