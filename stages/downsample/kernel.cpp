#include "stages/downsample/kernel.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>
#include <vector>

namespace petavox::downsample {
namespace {

/// The fine voxels of coarse voxel p that are in the domain.
Box cell_of(Coord p, Extent factor, const Box& domain) {
  return refined(Box::from(p, Extent::cube(1)), factor).intersect(domain);
}

/// Coarse voxels of a row whose fine voxels are all in the domain.
struct Interior {
  Index begin, end;
};
Interior interior_of(const Box& coarse, Index factor, Index domain_begin, Index domain_end) {
  const Index begin = std::max(coarse.begin.x, ceil_div(domain_begin, factor));
  return {begin, std::max(begin, std::min(coarse.end.x, floor_div(domain_end, factor)))};
}

/// sums[i] += the fine voxels [i f, (i + 1) f) of the row.
template <class Sum, class T>
void add_row(const T* row, Index factor, std::size_t size, Sum* sums) {
  if (factor == 2) {  // the usual one, and a loop that compilers vectorise
    for (std::size_t i = 0; i < size; ++i)
      sums[i] += static_cast<Sum>(row[2 * i]) + static_cast<Sum>(row[2 * i + 1]);
    return;
  }
  const auto f = static_cast<std::size_t>(factor);
  for (std::size_t i = 0; i < size; ++i) {
    Sum sum = sums[i];
    for (std::size_t k = 0; k < f; ++k) sum += static_cast<Sum>(row[i * f + k]);
    sums[i] = sum;
  }
}

/// Half of an integer mean is rounded up.
template <class T, class Sum>
T mean(Sum sum, Index n) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(sum / static_cast<double>(n));
  else
    return static_cast<T>(floor_div(2 * static_cast<Index>(sum) + n, 2 * n));
}

template <class T, class Sum>
void means(const Sum* sums, std::size_t size, Index n, T* out) {
  const auto unsigned_n = static_cast<std::uint64_t>(n);
  if constexpr (!std::is_floating_point_v<T>)
    if (std::has_single_bit(unsigned_n)) {
      // floor((2 sum + n) / 2n) is a shift, also of negative sums.
      const int shift = std::countr_zero(unsigned_n) + 1;
      for (std::size_t i = 0; i < size; ++i)
        out[i] = static_cast<T>((2 * sums[i] + static_cast<Sum>(n)) >> shift);
      return;
    }
  for (std::size_t i = 0; i < size; ++i) out[i] = mean<T>(sums[i], n);
}

template <class T, class Sum>
void mean_rows(View<const T> fine, View<T> coarse, Extent factor) {
  const Box& box = coarse.box();
  if (box.empty()) return;
  const Box& domain = fine.domain();
  std::vector<Sum> sums(usize(box.shape().x));
  const Interior inside = interior_of(box, factor.x, domain.begin.x, domain.end.x);
  for (int channel = 0; channel < coarse.channels(); ++channel)
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = box.begin.y; y < box.end.y; ++y) {
        const Box first = cell_of({z, y, box.begin.x}, factor, domain);
        const Index rows = (first.end.z - first.begin.z) * (first.end.y - first.begin.y);
        std::fill(sums.begin(), sums.end(), Sum{0});
        const auto add_clipped = [&](const T* row, Index x) {
          const Index begin = std::max(x * factor.x, domain.begin.x);
          const Index end = std::min((x + 1) * factor.x, domain.end.x);
          for (Index fx = begin; fx < end; ++fx) sums[usize(x - box.begin.x)] += static_cast<Sum>(row[fx]);
        };
        for (Index fz = first.begin.z; fz < first.end.z; ++fz)
          for (Index fy = first.begin.y; fy < first.end.y; ++fy) {
            const T* const row = fine.row(fz, fy, channel).data() - fine.box().begin.x;
            for (Index x = box.begin.x; x < inside.begin; ++x) add_clipped(row, x);
            add_row(row + inside.begin * factor.x, factor.x, usize(inside.end - inside.begin),
                    sums.data() + (inside.begin - box.begin.x));
            for (Index x = inside.end; x < box.end.x; ++x) add_clipped(row, x);
          }
        T* const out = coarse.row(z, y, channel).data() - box.begin.x;
        means(sums.data() + (inside.begin - box.begin.x), usize(inside.end - inside.begin), rows * factor.x,
              out + inside.begin);
        for (Index x = box.begin.x; x < box.end.x; ++x) {
          if (x == inside.begin) x = inside.end;
          if (x == box.end.x) break;
          out[x] = mean<T>(sums[usize(x - box.begin.x)], cell_of({z, y, x}, factor, domain).voxels());
        }
      }
}

/// The most frequent of the values, the smallest of several. Sorts them.
template <class T>
T mode_of_values(std::vector<T>& values) {
  // Most cells at a border hold two objects.
  const T a = values.front();
  const auto other = std::find_if(values.begin(), values.end(), [a](T v) { return v != a; });
  if (other == values.end()) return a;
  const T b = *other;
  const auto count_a = std::count(values.begin(), values.end(), a);
  const auto count_b = std::count(values.begin(), values.end(), b);
  if (static_cast<std::size_t>(count_a + count_b) == values.size())
    return count_a != count_b ? (count_a > count_b ? a : b) : std::min(a, b);

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

/// Calls put(p, mode) for each voxel of `box`, where of(v) is what a fine value v counts as; different values
/// count as different ones.
template <class T, class Of, class Put>
void for_each_mode(const View<const T>& fine, int channel, const Box& box, Extent factor, const Of& of,
                   const Put& put) {
  const Box& domain = fine.domain();
  std::vector<const T*> rows;  // of the cell, from x = 0 of the domain's coordinates
  std::vector<T> values;
  for (Index z = box.begin.z; z < box.end.z; ++z)
    for (Index y = box.begin.y; y < box.end.y; ++y) {
      const Box first = cell_of({z, y, box.begin.x}, factor, domain);
      rows.clear();
      for (Index fz = first.begin.z; fz < first.end.z; ++fz)
        for (Index fy = first.begin.y; fy < first.end.y; ++fy)
          rows.push_back(fine.row(fz, fy, channel).data() - fine.box().begin.x);
      for (Index x = box.begin.x; x < box.end.x; ++x) {
        const Index begin = std::max(x * factor.x, domain.begin.x);
        const Index end = std::min((x + 1) * factor.x, domain.end.x);
        // Inside objects, which is nearly everywhere, all are equal.
        const T some = rows.front()[begin];
        bool differ = false;
        for (const T* row : rows)
          for (Index fx = begin; fx < end; ++fx) differ |= row[fx] != some;
        if (!differ) {
          put({z, y, x}, of(some));
          continue;
        }
        values.clear();
        for (const T* row : rows)
          for (Index fx = begin; fx < end; ++fx) values.push_back(of(row[fx]));
        put({z, y, x}, mode_of_values(values));
      }
    }
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
    // A factor is 64 at most: 64^3 values of 8 bits fit into 32.
    if constexpr (std::is_floating_point_v<T>)
      mean_rows<T, double>(fine.view<T>(), coarse.view<T>(), factor);
    else if constexpr (sizeof(T) <= 4) {
      if (sizeof(T) == 1 && factor.voxels() <= Index{1} << 20)
        mean_rows<T, std::int32_t>(fine.view<T>(), coarse.view<T>(), factor);
      else
        mean_rows<T, std::int64_t>(fine.view<T>(), coarse.view<T>(), factor);
    } else
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
            in, c, out.box(), factor, [](T v) { return v; }, [&](Coord p, T mode) { out.at(c, p) = mode; });
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
      in, 0, out.box(), factor, [&](std::uint32_t id) { return rank[id]; },
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
