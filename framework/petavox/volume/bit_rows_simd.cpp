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
  constexpr std::size_t size = (hn::MaxLanes(D{}) + 7) / 8;
  std::uint8_t bytes[8];  // so many may be written
  hn::StoreMaskBits(d, mask, bytes);
  if constexpr (size == 1) return bytes[0];  // what goes through memory is not always optimised away
  std::uint64_t bits = 0;
  hwy::CopyBytes<size>(bytes, &bits);
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

/// How far ahead of its use a row is fetched: about the next row of a block. The memory is what bounds this,
/// and it rests while runs are united.
constexpr std::size_t fetched_ahead = 2048;

/// One word of each kind of RowBits, of up to 64 voxels; nothing is read before the first voxel of a row.
template <class T>
HWY_INLINE void label_word(const T* row, const T* before_y, const T* before_z, std::size_t size, bool first,
                           std::size_t w, const RowBits& bits) {
  const hn::CappedTag<T, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t byte = 0; byte < 64 * sizeof(T); byte += 64)
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(row) + fetched_ahead + byte));
  std::uint64_t x = 0, y = 0, z = 0, background = 0;
  std::size_t k = 0;
  for (; k + lanes <= size; k += lanes) {
    const auto here = hn::LoadU(d, row + k);
    if (!first || k > 0) x |= bits_of(d, hn::Eq(here, hn::LoadU(d, row + k - 1))) << k;
    y |= bits_of(d, hn::Eq(here, hn::LoadU(d, before_y + k))) << k;
    z |= bits_of(d, hn::Eq(here, hn::LoadU(d, before_z + k))) << k;
    background |= bits_of(d, hn::Eq(here, hn::Zero(d))) << k;
  }
  if (first)
    for (std::size_t i = 1; i < lanes && i < k; ++i)
      x |= static_cast<std::uint64_t>(row[i] == row[i - 1]) << i;
  for (; k < size; ++k) {
    x |= static_cast<std::uint64_t>((!first || k > 0) && row[k] == row[k - 1]) << k;
    y |= static_cast<std::uint64_t>(row[k] == before_y[k]) << k;
    z |= static_cast<std::uint64_t>(row[k] == before_z[k]) << k;
    background |= static_cast<std::uint64_t>(row[k] == 0) << k;
  }
  const std::uint64_t inside = ~std::uint64_t{0} >> (64 - size);
  bits.starts[w] = ~x & inside;
  bits.foreground[w] = ~background & inside;
  bits.joins_y[w] = y & ~background;
  bits.joins_z[w] = z & ~background;
}

template <class T>
HWY_INLINE void label(const T* row, const T* before_y, const T* before_z, std::size_t n,
                      const RowBits& bits) {
  std::size_t at = 0;
  for (; at + 64 <= n; at += 64)
    label_word(row + at, before_y + at, before_z + at, 64, at == 0, at / 64, bits);
  if (at < n) label_word(row + at, before_y + at, before_z + at, n - at, at == 0, at / 64, bits);
}
void label_u8(const std::uint8_t* row, const std::uint8_t* before_y, const std::uint8_t* before_z,
              std::size_t n, const RowBits& bits) {
  label(row, before_y, before_z, n, bits);
}
void label_u16(const std::uint16_t* row, const std::uint16_t* before_y, const std::uint16_t* before_z,
               std::size_t n, const RowBits& bits) {
  label(row, before_y, before_z, n, bits);
}
void label_u32(const std::uint32_t* row, const std::uint32_t* before_y, const std::uint32_t* before_z,
               std::size_t n, const RowBits& bits) {
  label(row, before_y, before_z, n, bits);
}
void label_u64(const std::uint64_t* row, const std::uint64_t* before_y, const std::uint64_t* before_z,
               std::size_t n, const RowBits& bits) {
  label(row, before_y, before_z, n, bits);
}

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
HWY_EXPORT(label_u8);
HWY_EXPORT(label_u16);
HWY_EXPORT(label_u32);
HWY_EXPORT(label_u64);
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
void label_bits(const std::uint8_t* row, const std::uint8_t* before_y, const std::uint8_t* before_z,
                std::size_t n, const RowBits& bits) {
  HWY_DYNAMIC_DISPATCH(label_u8)(row, before_y, before_z, n, bits);
}
void label_bits(const std::uint16_t* row, const std::uint16_t* before_y, const std::uint16_t* before_z,
                std::size_t n, const RowBits& bits) {
  HWY_DYNAMIC_DISPATCH(label_u16)(row, before_y, before_z, n, bits);
}
void label_bits(const std::uint32_t* row, const std::uint32_t* before_y, const std::uint32_t* before_z,
                std::size_t n, const RowBits& bits) {
  HWY_DYNAMIC_DISPATCH(label_u32)(row, before_y, before_z, n, bits);
}
void label_bits(const std::uint64_t* row, const std::uint64_t* before_y, const std::uint64_t* before_z,
                std::size_t n, const RowBits& bits) {
  HWY_DYNAMIC_DISPATCH(label_u64)(row, before_y, before_z, n, bits);
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
