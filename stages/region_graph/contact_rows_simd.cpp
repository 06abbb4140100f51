#include "petavox/base/simd_targets.hpp"
#include "petavox/volume/bit_rows.hpp"

#include "stages/region_graph/contact_rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/region_graph/contact_rows_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::region_graph {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr unsigned bucket_bits = (1U << ContactBucket::size) - 1;

/// Bit i: earlier[i] is u.
HWY_INLINE unsigned places_of(const ContactBucket& bucket, std::uint32_t u) {
#if HWY_TARGET == HWY_SCALAR
  unsigned places = 0;
  for (unsigned i = 0; i < ContactBucket::size; ++i) places |= (bucket.earlier[i] == u ? 1U : 0U) << i;
  return places;
#else
  // Eight numbers: what follows the ids is masked out.
  const hn::CappedTag<std::uint32_t, 8> d;
  const auto* numbers = reinterpret_cast<const std::uint32_t*>(&bucket);
  unsigned places = 0;
  for (std::size_t i = 0; i < 8; i += hn::Lanes(d)) {
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(d, hn::Eq(hn::Load(d, numbers + i), hn::Set(d, u)), bits);
    places |= static_cast<unsigned>(bits[0]) << i;
  }
  return places & bucket_bits;
#endif
}

template <class T>
HWY_INLINE std::uint64_t sum_of(const EdgeRow<T>& row, std::uint32_t begin, std::uint32_t size) {
#if HWY_TARGET != HWY_SCALAR
  // Without a branch on how long the stretch is, which no processor foresees.
  if constexpr (sizeof(T) == 1) {
    const hn::FixedTag<std::uint8_t, 16> d;
    if (size <= 16 && begin + 16 <= row.size) {
      const auto counted = hn::IfThenElseZero(hn::FirstN(d, size), hn::LoadU(d, row.affinity + begin));
      return hn::GetLane(hn::SumOfLanes(hn::FixedTag<std::uint64_t, 2>(), hn::SumsOf8(counted)));
    }
  }
#endif
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < size; ++i) sum += row.affinity[begin + i];
  return sum;
}

template <class T>
HWY_INLINE void add(const EdgeRow<T>& row, Stretch* stretches, OpenContacts& contacts) {
  std::size_t count = 0;
  for (std::size_t w = 0; w < words_of(row.size); ++w) {
    const std::uint64_t edges = row.edges[w], breaks = row.breaks[w] | 1;
    for (std::uint64_t rest = edges & breaks; rest != 0; rest &= rest - 1) {
      const std::uint64_t first = rest & (0 - rest);
      const std::uint64_t later = (breaks | ~edges) & ~(first | (first - 1));
      const std::size_t at = hwy::Num0BitsBelowLS1Bit_Nonzero64(first);
      const std::size_t end = later == 0 ? 64 : hwy::Num0BitsBelowLS1Bit_Nonzero64(later);
      stretches[count++] = {static_cast<std::uint32_t>(w * 64 + at), static_cast<std::uint32_t>(end - at)};
    }
  }
  const std::uint32_t* heads = contacts.heads;
  ContactBucket* buckets = contacts.buckets;
  constexpr std::size_t ahead = 8;
  for (std::size_t n = 0; n < count; ++n) {
    if (n + ahead < count) {
      const std::uint32_t i = stretches[n + ahead].begin, a = row.higher[i], b = row.lower[i];
      __builtin_prefetch(&buckets[heads[a > b ? a : b]], 1);
    }
    const std::uint32_t begin = stretches[n].begin, size = stretches[n].size;
    const std::uint32_t a = row.higher[begin], b = row.lower[begin];
    const std::uint32_t u = a < b ? a : b, v = a < b ? b : a;
    const std::uint64_t sum = sum_of(row, begin, size);
    std::uint32_t at = heads[v];
    unsigned places = places_of(buckets[at], u);
    while (places == 0 && buckets[at].next != 0) {
      at = buckets[at].next;
      places = places_of(buckets[at], u);
    }
    const std::uint32_t key = row.key + 3 * begin;
    if (places == 0 && at != 0) {
      places = places_of(buckets[at], 0);
      if (places != 0) buckets[at].earlier[hwy::Num0BitsBelowLS1Bit_Nonzero32(places)] = u;
    }
    if (places != 0) {
      buckets[at].sums[hwy::Num0BitsBelowLS1Bit_Nonzero32(places)].add(sum, size, key);
    } else {
      contacts.find_or_insert(u, v).add(sum, size, key);
      buckets = contacts.buckets;
    }
  }
}

void add_u8(const EdgeRow<std::uint8_t>& row, Stretch* scratch, OpenContacts& contacts) {
  add(row, scratch, contacts);
}
void add_u16(const EdgeRow<std::uint16_t>& row, Stretch* scratch, OpenContacts& contacts) {
  add(row, scratch, contacts);
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::region_graph
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::region_graph {

HWY_EXPORT(add_u8);
HWY_EXPORT(add_u16);

void add_edges(const EdgeRow<std::uint8_t>& row, Stretch* scratch, OpenContacts& contacts) {
  HWY_DYNAMIC_DISPATCH(add_u8)(row, scratch, contacts);
}
void add_edges(const EdgeRow<std::uint16_t>& row, Stretch* scratch, OpenContacts& contacts) {
  HWY_DYNAMIC_DISPATCH(add_u16)(row, scratch, contacts);
}

}  // namespace petavox::region_graph
#endif
