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

/// Makes a parent for each run that starts in the row, from number `next` on; returns the number after them.
HWY_INLINE std::uint32_t add_runs(const RunRow& row, const std::uint64_t* foreground, std::size_t words,
                                  std::uint32_t next, std::uint32_t* parents) {
  std::uint32_t end = next;
  std::uint64_t any_background = 0;
  for (std::size_t w = 0; w < words; ++w) {
    row.before[w] = end;
    end += popcount(row.starts[w]);
    any_background |= row.starts[w] & ~foreground[w];
  }
  for (std::uint32_t n = next; n < end; ++n) parents[n] = n;
  if (any_background == 0) return end;
  for (std::size_t w = 0; w < words; ++w)
    for (std::uint64_t rest = row.starts[w] & ~foreground[w]; rest != 0; rest &= rest - 1)
      parents[row.before[w] + popcount(row.starts[w] & ((rest & (0 - rest)) - 1))] = background_run;
  return end;
}

/// The root above a run whose parent is `parent`, for which the way there becomes shorter.
HWY_INLINE std::uint32_t root_above(std::uint32_t* parents, std::uint32_t n, std::uint32_t parent) {
  for (std::uint32_t above = parents[parent]; above != parent; above = parents[parent]) {
    parents[n] = above;
    n = parent;
    parent = above;
  }
  return parent;
}

HWY_INLINE void unite(std::uint32_t x, std::uint32_t y, std::uint32_t* parents) {
  const std::uint32_t parent_x = parents[x], parent_y = parents[y];
  if (parent_x == parent_y) return;  // most pairs say what is known
  x = root_above(parents, x, parent_x);
  y = root_above(parents, y, parent_y);
  if (x < y)
    parents[y] = x;
  else
    parents[x] = y;
}

/// Unites the runs of voxel i of word w in both rows, for each bit i of `pairs`.
HWY_INLINE void unite_word(std::uint64_t pairs, std::size_t w, const RunRow& a, const RunRow& b,
                           std::uint32_t* parents) {
  const std::uint64_t starts_a = a.starts[w], starts_b = b.starts[w];
  const std::uint32_t before_a = a.before[w] - 1, before_b = b.before[w] - 1;
  for (; pairs != 0; pairs &= pairs - 1) {
    const std::uint64_t upto = pairs ^ (pairs - 1);
    unite(before_a + popcount(starts_a & upto), before_b + popcount(starts_b & upto), parents);
  }
}

void unite_rows(const std::uint64_t* pairs, std::size_t words, const RunRow& a, const RunRow& b,
                std::uint32_t* parents) {
  for (std::size_t w = 0; w < words; ++w) unite_word(pairs[w], w, a, b, parents);
}

/// Unites joined runs of two rows. Not looked at are joins that continue, in both rows, the runs of the join
/// before, nor those in `known`(w).
template <class Known>
HWY_INLINE void unite_joined(const std::uint64_t* joins, std::size_t words, const RunRow& a, const RunRow& b,
                             const Known& known, std::uint32_t* parents) {
  std::uint64_t carry = 0;
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t continued = (joins[w] << 1 | carry) & ~(a.starts[w] | b.starts[w]);
    unite_word(joins[w] & ~continued & ~known(w), w, a, b, parents);
    carry = joins[w] >> 63;
  }
}

std::uint32_t add_row(const RunRow& row, const std::uint64_t* foreground, const RunRow* before_y,
                      const RunRow& before_z, std::size_t words, std::uint32_t next, std::uint32_t* parents) {
  next = add_runs(row, foreground, words, next, parents);
  if (before_y == nullptr) {
    unite_joined(
        row.joins_z, words, row, before_z, [](std::size_t) { return std::uint64_t{0}; }, parents);
    return next;
  }
  unite_joined(
      row.joins_y, words, row, *before_y, [](std::size_t) { return std::uint64_t{0}; }, parents);
  // Three joins round a square say the fourth.
  unite_joined(
      row.joins_z, words, row, before_z,
      [&](std::size_t w) { return row.joins_y[w] & before_y->joins_z[w] & before_z.joins_y[w]; }, parents);
  return next;
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

/// For each of the 256 (on four lanes: 16) patterns of starts, how far the run of each of its voxels lies
/// from that of the first voxel.
template <std::size_t lanes>
struct RunSteps {
  std::uint8_t steps[std::size_t{1} << lanes][8] = {};
  constexpr RunSteps() {
    for (std::size_t starts = 0; starts < std::size_t{1} << lanes; ++starts)
      for (std::size_t i = 1; i < lanes; ++i)
        steps[starts][i] = static_cast<std::uint8_t>(steps[starts][i - 1] + (starts >> i & 1));
  }
};

/// The same as write_word() for fewer voxels.
HWY_INLINE void write_voxels(std::uint64_t starts, const std::uint32_t* runs, std::size_t voxels,
                             std::uint32_t* to) {
  for (; voxels > 0; --voxels) {
    runs += starts & 1;
    *to++ = *runs;
    starts >>= 1;
  }
}

/// Writes the ids of the voxels of a word. runs[0] is the id of the run before the first one, if that starts
/// none; behind the runs there is room to read one vector more.
HWY_INLINE void write_word(std::uint64_t starts, const std::uint32_t* runs, std::uint32_t* to) {
#if HWY_TARGET == HWY_SCALAR
  write_voxels(starts, runs, 64, to);
#else
  // No branch on where runs end: each vector of voxels chooses among as many ids.
  const hn::CappedTag<std::uint32_t, 8> d;
  constexpr std::size_t lanes = HWY_MIN(HWY_LANES(std::uint32_t), 8);
  static constexpr RunSteps<lanes> table;
  const hn::Rebind<std::uint8_t, decltype(d)> bytes;
  for (std::size_t i = 0; i < 64; i += lanes) {
    const std::size_t pattern = starts & ((1U << lanes) - 1);
    const auto ids = hn::LoadU(d, runs + (starts & 1));
    const auto steps = hn::PromoteTo(d, hn::LoadU(bytes, table.steps[pattern]));
    hn::StoreU(hn::TableLookupLanes(ids, hn::IndicesFromVec(d, steps)), d, to + i);
    runs += popcount(pattern);
    starts >>= lanes;
  }
#endif
}

void write_ids(const std::uint64_t* starts, std::size_t voxels, std::uint32_t size, std::uint32_t* ids,
               std::uint64_t* firsts, std::uint32_t components) {
  // From the last chunk to the first: run n starts at voxel n or later, so once a chunk's runs are copied,
  // its voxels overwrite no run of an earlier one.
  constexpr std::size_t chunk_words = 32;
  std::uint32_t copied[1 + chunk_words * 64 + 8] = {};
  const std::size_t words = (voxels + 63) / 64;
  std::uint32_t n = size, unnamed = components;
  for (std::size_t last = words; last > 0;) {
    const std::size_t first = last > chunk_words ? last - chunk_words : 0;
    std::uint32_t count = 0;
    for (std::size_t w = first; w < last; ++w) count += popcount(starts[w]);
    n -= count;
    // The run that the chunk begins with may have started before it.
    copied[0] = n > 0 ? ids[n - 1] : 0;
    for (std::uint32_t i = 0; i < count; ++i) copied[1 + i] = ids[n + i];
    while (unnamed > 0 && firsts[unnamed - 1] >= n) --unnamed;
    std::uint32_t named = unnamed;
    const std::uint32_t* runs = copied;
    std::uint32_t next = n;
    for (std::size_t w = first; w < last; ++w) {
      const std::size_t begin = w * 64;
      if (voxels - begin >= 64)
        write_word(starts[w], runs, ids + begin);
      else
        write_voxels(starts[w], runs, voxels - begin, ids + begin);
      const std::uint32_t in_word = popcount(starts[w]);
      std::uint64_t rest = starts[w];
      for (std::uint32_t run = next; named < components && firsts[named] < next + in_word; ++run) {
        if (firsts[named] == run) firsts[named++] = begin + hwy::Num0BitsBelowLS1Bit_Nonzero64(rest);
        rest &= rest - 1;
      }
      runs += in_word;
      next += in_word;
    }
    last = first;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::detail {

HWY_EXPORT(add_row);
HWY_EXPORT(unite_rows);
HWY_EXPORT(count_components);
HWY_EXPORT(number_runs);
HWY_EXPORT(write_ids);

std::uint32_t add_row(const RunRow& row, const std::uint64_t* foreground, const RunRow* before_y,
                      const RunRow& before_z, std::size_t words, std::uint32_t next, std::uint32_t* parents) {
  return HWY_DYNAMIC_DISPATCH(add_row)(row, foreground, before_y, before_z, words, next, parents);
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
