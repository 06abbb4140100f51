#include "petavox/base/simd_targets.hpp"

#include "stages/network/winograd_kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/network/winograd_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::network::winograd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

using D = hn::CappedTag<float, unit>;
using V = hn::Vec<D>;

constexpr std::size_t num_lanes = hn::MaxLanes(D{});
constexpr std::size_t num_vectors = unit / num_lanes;
/// Twelve vectors of sums: they stay in registers beside a row of weights, and hide how long an addition
/// takes.
constexpr std::size_t num_rows = 12 / num_vectors;

/// Points 0, 1, -1, 1/2, -2 and infinity.
HWY_INLINE void input6(V* v) {
  const D tag;
  const V half = hn::Set(tag, 0.5F), two = hn::Set(tag, 2.0F), threehalves = hn::Set(tag, 1.5F);
  const V a = hn::Sub(v[3], v[1]), b = hn::Sub(v[4], v[2]);
  const V first = hn::MulAdd(threehalves, a, hn::Add(hn::Sub(v[0], v[2]), b));
  const V last = hn::MulAdd(threehalves, b, hn::Sub(hn::Sub(v[5], v[3]), a));
  const V sum = hn::Add(v[2], v[3]), difference = hn::Sub(v[3], v[2]);
  v[0] = first;
  v[1] = hn::MulAdd(threehalves, sum, hn::Add(a, b));
  v[2] = hn::MulAdd(threehalves, difference, hn::Sub(b, a));
  v[3] = hn::MulAdd(two, a, b);
  v[4] = hn::NegMulAdd(half, a, b);
  v[5] = last;
}

/// Along z, points 0, 1, -1 and infinity: each is the sum or difference of two planes.
struct Pair {
  std::size_t a, b;
  bool sum;  ///< a + b; else a - b
};
constexpr Pair pairs[patch_z] = {{2, 0, false}, {1, 2, true}, {2, 1, false}, {3, 1, false}};

/// Voxels of one plane along x; those outside are zeros, with a stride of 0.
struct Row {
  const float* first;
  std::ptrdiff_t stride;
};

/// One row at a point of z, along x.
template <bool sum>
HWY_INLINE void input_row(Row a, Row b, int begin, int end, float* to) {
  const D tag;
  const auto at = [&](std::ptrdiff_t x) HWY_ATTR {
    const V p = hn::LoadU(tag, a.first + x * a.stride), q = hn::LoadU(tag, b.first + x * b.stride);
    return sum ? hn::Add(p, q) : hn::Sub(p, q);
  };
  V v[6];
  if (begin == 0 && end == patch_x)
    for (std::ptrdiff_t x = 0; x < patch_x; ++x) v[x] = at(x);
  else
    for (std::ptrdiff_t x = 0; x < patch_x; ++x) v[x] = x < begin || x >= end ? hn::Zero(tag) : at(x);
  input6(v);
  for (std::size_t x = 0; x < patch_x; ++x) hn::Store(v[x], tag, to + x * num_lanes);
}

void input(const Patch& patch, int channels, float* to, std::size_t to_stride) {
  const D tag;
  constexpr std::size_t n = num_lanes, plane = patch_y * patch_x;
  HWY_ALIGN float work[points * n];
  HWY_ALIGN const float nothing[n] = {};
  for (std::ptrdiff_t c = 0; c < channels; c += static_cast<std::ptrdiff_t>(n), to += n) {
    for (std::size_t z = 0; z < patch_z; ++z)
      for (int y = 0; y < patch_y; ++y) {
        const bool inside = y >= patch.y_begin && y < patch.y_end;
        const auto row_of = [&](const float* plane) {
          return plane == nullptr || !inside ? Row{nothing, 0}
                                             : Row{plane + y * patch.y_stride + c, patch.x_stride};
        };
        const Row a = row_of(patch.planes[pairs[z].a]), b = row_of(patch.planes[pairs[z].b]);
        float* const row = work + (z * plane + static_cast<std::size_t>(y) * patch_x) * n;
        if (pairs[z].sum)
          input_row<true>(a, b, patch.x_begin, patch.x_end, row);
        else
          input_row<false>(a, b, patch.x_begin, patch.x_end, row);
      }
    for (std::size_t z = 0; z < patch_z; ++z)
      for (std::size_t x = 0; x < patch_x; ++x) {
        const std::size_t first = z * plane + x;
        V v[6];
        for (std::size_t i = 0; i < 6; ++i) v[i] = hn::Load(tag, work + (first + i * patch_x) * n);
        input6(v);
        for (std::size_t i = 0; i < 6; ++i) hn::StoreU(v[i], tag, to + (first + i * patch_x) * to_stride);
      }
  }
}

/// num_rows x 16 sums of one point.
HWY_INLINE void block(const float* HWY_RESTRICT values, const float* HWY_RESTRICT weights,
                      std::size_t channels, float* HWY_RESTRICT product) {
  const D tag;
  V sum[num_rows][num_vectors];
  for (auto& row : sum)
    for (V& v : row) v = hn::Zero(tag);
  for (std::size_t c = 0; c < channels; ++c) {
    V w[num_vectors];
    for (std::size_t k = 0; k < num_vectors; ++k) w[k] = hn::Load(tag, weights + c * unit + k * num_lanes);
    for (std::size_t t = 0; t < num_rows; ++t) {
      const V value = hn::Set(tag, values[t * channels + c]);
      for (std::size_t k = 0; k < num_vectors; ++k) sum[t][k] = hn::MulAdd(value, w[k], sum[t][k]);
    }
  }
  for (std::size_t t = 0; t < num_rows; ++t)
    for (std::size_t k = 0; k < num_vectors; ++k)
      hn::Store(sum[t][k], tag, product + t * unit + k * num_lanes);
}

void product_of(const float* values, std::size_t value_stride, const float* weights, int channels, int tiles,
                float* product, std::size_t product_stride) {
  const auto num = static_cast<std::size_t>(channels);
  for (std::size_t p = 0; p < points; ++p)
    for (std::size_t t = 0; t < static_cast<std::size_t>(tiles); t += num_rows)
      block(values + p * value_stride + t * num, weights + p * num * unit, num,
            product + p * product_stride + t * unit);
}

/// Six products become four values.
HWY_INLINE void output6(const V* m, V* y) {
  const D tag;
  const V sum = hn::Add(m[1], m[2]), difference = hn::Sub(m[1], m[2]);
  y[0] = hn::Add(hn::Add(m[0], sum), hn::Add(m[3], m[4]));
  y[1] = hn::MulAdd(hn::Set(tag, -2.0F), m[4], hn::MulAdd(hn::Set(tag, 0.5F), m[3], difference));
  y[2] = hn::MulAdd(hn::Set(tag, 4.0F), m[4], hn::MulAdd(hn::Set(tag, 0.25F), m[3], sum));
  y[3] = hn::MulAdd(hn::Set(tag, -8.0F), m[4],
                    hn::MulAdd(hn::Set(tag, 0.125F), m[3], hn::Add(difference, m[5])));
}

void output(const float* product, std::size_t stride, const Target& target) {
  const D tag;
  constexpr std::size_t n = num_lanes, plane = patch_y * patch_x, rows = tile_y * patch_x;
  HWY_ALIGN float after_y[tile_z * rows * n];
  for (std::size_t c = 0; c < unit; c += n) {
    for (std::size_t z = 0; z < tile_z; ++z)
      for (std::size_t x = 0; x < patch_x; ++x) {
        V m[6], v[4];
        for (std::size_t i = 0; i < 6; ++i) {
          const float* from = product + (z * plane + i * patch_x + x) * stride + c;
          const V p = hn::LoadU(tag, from), q = hn::LoadU(tag, from + plane * stride),
                  r = hn::LoadU(tag, from + 2 * plane * stride);
          m[i] = z == 0 ? hn::Add(p, hn::Add(q, r)) : hn::Add(hn::Sub(p, q), r);
        }
        output6(m, v);
        for (std::size_t i = 0; i < 4; ++i) hn::Store(v[i], tag, after_y + (z * rows + i * patch_x + x) * n);
      }
    const auto channel = static_cast<std::ptrdiff_t>(c);
    float* const first =
        target.voxels + channel / target.group * target.group_stride + channel % target.group;
    const V bias = hn::LoadU(tag, target.bias + c);
    for (int z = 0; z < target.nz; ++z)
      for (int y = 0; y < target.ny; ++y) {
        V m[6], v[4];
        const float* from =
            after_y + (static_cast<std::size_t>(z) * rows + static_cast<std::size_t>(y) * patch_x) * n;
        for (std::size_t i = 0; i < 6; ++i) m[i] = hn::Load(tag, from + i * n);
        output6(m, v);
        float* to = first + z * target.z_stride + y * target.y_stride;
        for (int x = 0; x < target.nx; ++x, to += target.x_stride) {
          V result = hn::Add(v[x], bias);
          if (target.add) result = hn::Add(result, hn::LoadU(tag, to));
          if (target.relu) result = hn::Max(result, hn::Zero(tag));
          hn::StoreU(result, tag, to);
        }
      }
  }
}

constexpr Kernels table{static_cast<int>(num_lanes), static_cast<int>(num_rows), &input, &product_of,
                        &output};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace petavox::network::winograd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::network::winograd {

const Kernels* kernels(Instructions instructions) {
#if HWY_TARGETS & HWY_AVX3
  if (instructions == Instructions::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? &N_AVX3::table
               : nullptr;
#endif
#if HWY_TARGETS & HWY_AVX2
  if (instructions == Instructions::avx2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &N_AVX2::table : nullptr;
#endif
  return nullptr;
}

}  // namespace petavox::network::winograd
#endif
