#include "petavox/base/hash.hpp"
#include "petavox/base/simd_targets.hpp"
#include "petavox/volume/digest_row.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "petavox/volume/digest_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::detail {
namespace HWY_NAMESPACE {

/// A plain loop over integers: compilers vectorise it, and sums modulo 2^64 have no order.
void add_row(const std::uint64_t* values, std::size_t n, std::uint64_t first, std::uint64_t* sums) {
  std::uint64_t a = 0, b = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t key = (first + i + 1) * 0x9e3779b97f4a7c15ULL;
    const std::uint64_t h = mix64(key ^ mix64(values[i] + 0x632be59bd9b4e019ULL));
    a += h;
    b += h * h + (h >> 32);
  }
  sums[0] += a;
  sums[1] += b;
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::detail {

HWY_EXPORT(add_row);

void add_digest_row(const std::uint64_t* values, std::size_t n, std::uint64_t first, std::uint64_t* sums) {
  HWY_DYNAMIC_DISPATCH(add_row)(values, n, first, sums);
}

}  // namespace petavox::detail
#endif
