#include "petavox/base/simd_targets.hpp"
#include "petavox/volume/run_union.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "petavox/volume/run_union_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Most of this is not vectors but counting bits, which plain x86-64 has no instruction for.
HWY_INLINE std::uint32_t popcount(std::uint64_t bits) {
  return static_cast<std::uint32_t>(__builtin_popcountll(bits));
}

std::uint32_t add_runs(const std::uint64_t* starts, const std::uint64_t* foreground, std::size_t words,
                       std::uint32_t next, std::uint32_t* before, std::uint32_t* parents) {
  for (std::size_t w = 0; w < words; ++w) {
    before[w] = next;
    const std::uint32_t size = popcount(starts[w]);
    for (std::uint32_t n = next; n < next + size; ++n) parents[n] = n;
    std::uint64_t background = starts[w] & ~foreground[w];
    for (; background != 0; background &= background - 1) {
      const std::uint64_t below = (background & (0 - background)) - 1;
      parents[next + popcount(starts[w] & below)] = background_run;
    }
    next += size;
  }
  return next;
}

HWY_INLINE std::uint32_t root(std::uint32_t* parents, std::uint32_t n) {
  while (parents[n] != n) {
    parents[n] = parents[parents[n]];
    n = parents[n];
  }
  return n;
}

void unite_rows(const std::uint64_t* pairs, std::size_t words, const RunRow& a, const RunRow& b,
                std::uint32_t* parents) {
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t starts_a = a.starts[w], starts_b = b.starts[w];
    for (std::uint64_t rest = pairs[w]; rest != 0; rest &= rest - 1) {
      const std::uint64_t upto = rest ^ (rest - 1);
      std::uint32_t x = a.before[w] + popcount(starts_a & upto) - 1;
      std::uint32_t y = b.before[w] + popcount(starts_b & upto) - 1;
      if (parents[x] == parents[y]) continue;  // most pairs say what is known
      x = root(parents, x);
      y = root(parents, y);
      if (x < y)
        parents[y] = x;
      else
        parents[x] = y;
    }
  }
}

std::uint32_t count_components(std::uint32_t size, const std::uint32_t* parents) {
  std::uint32_t components = 0;
  for (std::uint32_t n = 0; n < size; ++n) components += parents[n] == n ? 1U : 0U;
  return components;
}

void number_runs(std::uint32_t size, std::uint32_t* parents, std::uint64_t* firsts) {
  std::uint32_t components = 0;
  for (std::uint32_t n = 0; n < size; ++n) {
    const std::uint32_t parent = parents[n];
    if (parent == n) {
      firsts[components] = n;
      parents[n] = ++components;
    } else {
      parents[n] = parent == background_run ? 0 : parents[parent];
    }
  }
}

/// Fills voxels [begin, end) of a chunk whose voxels up to `limit` may be overwritten.
HWY_INLINE void fill(std::uint32_t* to, std::size_t begin, std::size_t end, std::size_t limit,
                     std::uint32_t id) {
  const hn::CappedTag<std::uint32_t, 8> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto ids = hn::Set(d, id);
  if (end + lanes <= limit) {
    // What is written beyond the end belongs to later runs, which follow.
    do {
      hn::StoreU(ids, d, to + begin);
      begin += lanes;
    } while (begin < end);
    return;
  }
  for (; begin < end; ++begin) to[begin] = id;
}

void write_ids(const std::uint64_t* starts, std::size_t voxels, std::uint32_t size, std::uint32_t* ids,
               std::uint64_t* firsts, std::uint32_t components) {
  // From the last chunk to the first: run n starts at voxel n or later, so once a chunk's runs are copied,
  // its voxels overwrite no run of an earlier one.
  constexpr std::size_t chunk_words = 32;
  std::uint32_t runs[chunk_words * 64];
  const std::size_t words = (voxels + 63) / 64;
  std::uint32_t n = size, unnamed = components;
  for (std::size_t last = words; last > 0;) {
    const std::size_t first = last > chunk_words ? last - chunk_words : 0;
    std::uint32_t count = 0;
    for (std::size_t w = first; w < last; ++w) count += popcount(starts[w]);
    n -= count;
    for (std::uint32_t i = 0; i < count; ++i) runs[i] = ids[n + i];
    const std::size_t limit = last * 64 < voxels ? last * 64 : voxels;
    // The run that the chunk begins with may have started before it.
    std::size_t begin = first * 64;
    std::uint32_t id = n > 0 ? ids[n - 1] : 0, i = 0;
    while (unnamed > 0 && firsts[unnamed - 1] >= n) --unnamed;
    std::uint32_t named = unnamed;
    for (std::size_t w = first; w < last; ++w)
      for (std::uint64_t rest = starts[w]; rest != 0; rest &= rest - 1) {
        const std::size_t start = w * 64 + hwy::Num0BitsBelowLS1Bit_Nonzero64(rest);
        if (start > begin) fill(ids, begin, start, limit, id);
        begin = start;
        id = runs[i];
        if (named < components && firsts[named] == n + i) firsts[named++] = start;
        ++i;
      }
    fill(ids, begin, limit, limit, id);
    last = first;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::detail {

HWY_EXPORT(add_runs);
HWY_EXPORT(unite_rows);
HWY_EXPORT(count_components);
HWY_EXPORT(number_runs);
HWY_EXPORT(write_ids);

std::uint32_t add_runs(const std::uint64_t* starts, const std::uint64_t* foreground, std::size_t words,
                       std::uint32_t next, std::uint32_t* before, std::uint32_t* parents) {
  return HWY_DYNAMIC_DISPATCH(add_runs)(starts, foreground, words, next, before, parents);
}
void unite_rows(const std::uint64_t* pairs, std::size_t words, const RunRow& a, const RunRow& b,
                std::uint32_t* parents) {
  HWY_DYNAMIC_DISPATCH(unite_rows)(pairs, words, a, b, parents);
}
std::uint32_t count_components(std::uint32_t size, const std::uint32_t* parents) {
  return HWY_DYNAMIC_DISPATCH(count_components)(size, parents);
}
void number_runs(std::uint32_t size, std::uint32_t* parents, std::uint64_t* firsts) {
  HWY_DYNAMIC_DISPATCH(number_runs)(size, parents, firsts);
}
void write_ids(const std::uint64_t* starts, std::size_t voxels, std::uint32_t size, std::uint32_t* ids,
               std::uint64_t* firsts, std::uint32_t components) {
  HWY_DYNAMIC_DISPATCH(write_ids)(starts, voxels, size, ids, firsts, components);
}

}  // namespace petavox::detail
#endif
