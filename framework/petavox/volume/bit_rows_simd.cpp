#include "petavox/base/simd_targets.hpp"
#include "petavox/volume/bit_rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "petavox/volume/bit_rows_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The bits of one vector's mask, lane i at bit i.
template <class D, class M>
HWY_INLINE std::uint64_t bits_of(D d, M mask) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  std::uint64_t bits;
  hwy::CopyBytes<8>(bytes, &bits);
  return bits;
}

/// Words from vector(d, i), the mask of voxels i … of a whole vector, and voxel(i).
template <class T, class Vector, class Voxel>
HWY_INLINE void fill_bits(std::size_t n, std::uint64_t* bits, const Vector& vector, const Voxel& voxel) {
  const hn::CappedTag<T, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < 64; k += lanes) word |= bits_of(d, vector(d, i + k)) << k;
    *bits++ = word;
  }
  if (i == n) return;
  std::uint64_t word = 0;
  for (std::size_t k = 0; i + k < n; ++k) word |= static_cast<std::uint64_t>(voxel(i + k)) << k;
  *bits = word;
}

template <class T>
HWY_INLINE void equal(const T* a, const T* b, std::size_t n, std::uint64_t* bits) {
  fill_bits<T>(
      n, bits,
      [&](auto d, std::size_t i) HWY_ATTR { return hn::Eq(hn::LoadU(d, a + i), hn::LoadU(d, b + i)); },
      [&](std::size_t i) HWY_ATTR { return a[i] == b[i]; });
}
void equal_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, std::uint64_t* bits) {
  equal(a, b, n, bits);
}
void equal_u16(const std::uint16_t* a, const std::uint16_t* b, std::size_t n, std::uint64_t* bits) {
  equal(a, b, n, bits);
}
void equal_u32(const std::uint32_t* a, const std::uint32_t* b, std::size_t n, std::uint64_t* bits) {
  equal(a, b, n, bits);
}
void equal_u64(const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t* bits) {
  equal(a, b, n, bits);
}

/// Whether 64 values are all not 0, as nearly all labels are.
template <class T>
HWY_INLINE bool none_is_zero(const T* a) {
  const hn::CappedTag<T, 64> d;
  auto zeros = hn::Eq(hn::LoadU(d, a), hn::Zero(d));
  for (std::size_t k = hn::Lanes(d); k < 64; k += hn::Lanes(d))
    zeros = hn::Or(zeros, hn::Eq(hn::LoadU(d, a + k), hn::Zero(d)));
  return hn::AllFalse(d, zeros);
}

template <class T>
HWY_INLINE void nonzero(const T* a, std::size_t n, std::uint64_t* bits) {
  for (; n >= 64 && none_is_zero(a); n -= 64) {
    *bits++ = ~std::uint64_t{0};
    a += 64;
  }
  fill_bits<T>(
      n, bits, [&](auto d, std::size_t i) HWY_ATTR { return hn::Ne(hn::LoadU(d, a + i), hn::Zero(d)); },
      [&](std::size_t i) HWY_ATTR { return a[i] != 0; });
}
void nonzero_u8(const std::uint8_t* a, std::size_t n, std::uint64_t* bits) { nonzero(a, n, bits); }
void nonzero_u16(const std::uint16_t* a, std::size_t n, std::uint64_t* bits) { nonzero(a, n, bits); }
void nonzero_u32(const std::uint32_t* a, std::size_t n, std::uint64_t* bits) { nonzero(a, n, bits); }
void nonzero_u64(const std::uint64_t* a, std::size_t n, std::uint64_t* bits) { nonzero(a, n, bits); }

template <class T>
HWY_INLINE void at_least(const T* a, T least, std::size_t n, std::uint64_t* bits) {
  // a >= least where the greater of both is a: there is no unsigned comparison in some instruction sets.
  fill_bits<T>(
      n, bits,
      [&](auto d, std::size_t i) HWY_ATTR {
        const auto v = hn::LoadU(d, a + i);
        return hn::Eq(hn::Max(v, hn::Set(d, least)), v);
      },
      [&](std::size_t i) HWY_ATTR { return a[i] >= least; });
}
void at_least_u8(const std::uint8_t* a, std::uint8_t least, std::size_t n, std::uint64_t* bits) {
  at_least(a, least, n, bits);
}
void at_least_u16(const std::uint16_t* a, std::uint16_t least, std::size_t n, std::uint64_t* bits) {
  at_least(a, least, n, bits);
}

template <class T>
HWY_INLINE void raise(const T* a, std::size_t n, T* best) {
  for (std::size_t i = 0; i < n; ++i) best[i] = best[i] < a[i] ? a[i] : best[i];
}
void raise_u8(const std::uint8_t* a, std::size_t n, std::uint8_t* best) { raise(a, n, best); }
void raise_u16(const std::uint16_t* a, std::size_t n, std::uint16_t* best) { raise(a, n, best); }

}  // namespace HWY_NAMESPACE
}  // namespace petavox
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox {

HWY_EXPORT(equal_u8);
HWY_EXPORT(equal_u16);
HWY_EXPORT(equal_u32);
HWY_EXPORT(equal_u64);
HWY_EXPORT(nonzero_u8);
HWY_EXPORT(nonzero_u16);
HWY_EXPORT(nonzero_u32);
HWY_EXPORT(nonzero_u64);
HWY_EXPORT(at_least_u8);
HWY_EXPORT(at_least_u16);
HWY_EXPORT(raise_u8);
HWY_EXPORT(raise_u16);

void equal_bits(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(equal_u8)(a, b, n, bits);
}
void equal_bits(const std::uint16_t* a, const std::uint16_t* b, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(equal_u16)(a, b, n, bits);
}
void equal_bits(const std::uint32_t* a, const std::uint32_t* b, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(equal_u32)(a, b, n, bits);
}
void equal_bits(const std::uint64_t* a, const std::uint64_t* b, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(equal_u64)(a, b, n, bits);
}
void nonzero_bits(const std::uint8_t* a, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(nonzero_u8)(a, n, bits);
}
void nonzero_bits(const std::uint16_t* a, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(nonzero_u16)(a, n, bits);
}
void nonzero_bits(const std::uint32_t* a, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(nonzero_u32)(a, n, bits);
}
void nonzero_bits(const std::uint64_t* a, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(nonzero_u64)(a, n, bits);
}
void at_least_bits(const std::uint8_t* a, std::uint8_t least, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(at_least_u8)(a, least, n, bits);
}
void at_least_bits(const std::uint16_t* a, std::uint16_t least, std::size_t n, std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(at_least_u16)(a, least, n, bits);
}
void raise_to(const std::uint8_t* a, std::size_t n, std::uint8_t* best) {
  HWY_DYNAMIC_DISPATCH(raise_u8)(a, n, best);
}
void raise_to(const std::uint16_t* a, std::size_t n, std::uint16_t* best) {
  HWY_DYNAMIC_DISPATCH(raise_u16)(a, n, best);
}

}  // namespace petavox
#endif
