#include "petavox/base/simd_targets.hpp"

#include "stages/align/section_sums.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/align/section_sums_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::align {
namespace HWY_NAMESPACE {

template <class T>
HWY_INLINE void used_any(const T* row, const std::uint8_t* hidden, std::int32_t nothing, std::int64_t n,
                         std::uint32_t* HWY_RESTRICT sums, std::uint32_t* HWY_RESTRICT counts) {
  if (hidden == nullptr) {
    for (std::int64_t x = 0; x < n; ++x) {
      const std::int32_t v = row[x];
      const std::uint32_t used = v != nothing ? 1 : 0;
      sums[x] += used * static_cast<std::uint32_t>(v);
      counts[x] += used;
    }
    return;
  }
  for (std::int64_t x = 0; x < n; ++x) {
    const std::int32_t v = row[x];
    const std::uint32_t used = (v != nothing) & (hidden[x] == 0) ? 1 : 0;
    sums[x] += used * static_cast<std::uint32_t>(v);
    counts[x] += used;
  }
}
void used_u8(const std::uint8_t* row, const std::uint8_t* hidden, std::int32_t nothing, std::int64_t n,
             std::uint32_t* sums, std::uint32_t* counts) {
  used_any(row, hidden, nothing, n, sums, counts);
}
void used_u16(const std::uint16_t* row, const std::uint8_t* hidden, std::int32_t nothing, std::int64_t n,
              std::uint32_t* sums, std::uint32_t* counts) {
  used_any(row, hidden, nothing, n, sums, counts);
}

/// `Wide` holds the sum of n products.
template <class Wide, class T>
HWY_INLINE void pairs_any(const T* a, const T* b, std::int32_t nothing, std::int64_t n, PairSums& sums) {
  std::int32_t count = 0, sum_a = 0, sum_b = 0;
  Wide aa = 0, bb = 0, ab = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t u = a[i], v = b[i], used = (u != nothing) & (v != nothing) ? 1 : 0;
    const std::int32_t p = used * u, q = used * v;
    count += used;
    sum_a += p;
    sum_b += q;
    aa += static_cast<Wide>(p) * static_cast<Wide>(p);
    bb += static_cast<Wide>(q) * static_cast<Wide>(q);
    ab += static_cast<Wide>(p) * static_cast<Wide>(q);
  }
  sums.n += count;
  sums.a += sum_a;
  sums.b += sum_b;
  sums.aa += static_cast<std::int64_t>(aa);
  sums.bb += static_cast<std::int64_t>(bb);
  sums.ab += static_cast<std::int64_t>(ab);
}
void pairs_u8(const std::uint8_t* a, const std::uint8_t* b, std::int32_t nothing, std::int64_t n,
              PairSums& sums) {
  pairs_any<std::uint32_t>(a, b, nothing, n, sums);
}
void pairs_u16(const std::uint16_t* a, const std::uint16_t* b, std::int32_t nothing, std::int64_t n,
               PairSums& sums) {
  pairs_any<std::uint64_t>(a, b, nothing, n, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::align {

HWY_EXPORT(used_u8);
HWY_EXPORT(used_u16);
HWY_EXPORT(pairs_u8);
HWY_EXPORT(pairs_u16);

void add_used(const std::uint8_t* row, const std::uint8_t* hidden, std::int32_t nothing, std::int64_t n,
              std::uint32_t* sums, std::uint32_t* counts) {
  HWY_DYNAMIC_DISPATCH(used_u8)(row, hidden, nothing, n, sums, counts);
}
void add_used(const std::uint16_t* row, const std::uint8_t* hidden, std::int32_t nothing, std::int64_t n,
              std::uint32_t* sums, std::uint32_t* counts) {
  HWY_DYNAMIC_DISPATCH(used_u16)(row, hidden, nothing, n, sums, counts);
}
void add_pairs(const std::uint8_t* a, const std::uint8_t* b, std::int32_t nothing, std::int64_t n,
               PairSums& sums) {
  HWY_DYNAMIC_DISPATCH(pairs_u8)(a, b, nothing, n, sums);
}
void add_pairs(const std::uint16_t* a, const std::uint16_t* b, std::int32_t nothing, std::int64_t n,
               PairSums& sums) {
  HWY_DYNAMIC_DISPATCH(pairs_u16)(a, b, nothing, n, sums);
}

}  // namespace petavox::align
#endif
