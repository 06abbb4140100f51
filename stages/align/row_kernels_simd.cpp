#include "petavox/base/simd_targets.hpp"

#include "stages/align/row_kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/align/row_kernels_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::align {
namespace HWY_NAMESPACE {

void between_all(const NodeRun* runs, std::int64_t num_runs, const double* const weights[4],
                 const double* columns, double* HWY_RESTRICT out) {
  const double *const w0 = weights[0], *const w1 = weights[1], *const w2 = weights[2], *const w3 = weights[3];
  for (std::int64_t r = 0; r < num_runs; ++r) {
    const double* const c = columns + runs[r].column;
    const double a = c[0], b = c[1], d = c[2], e = c[3];
    for (std::int64_t i = runs[r].begin; i < runs[r].end; ++i)
      out[i] = w0[i] * a + w1[i] * b + w2[i] * d + w3[i] * e;
  }
}

void sources_all(const SourceRow& row, std::int64_t n, double* HWY_RESTRICT ys, double* HWY_RESTRICT xs) {
  const SourceRow r = row;
  const double share = 1 / r.level;
  const auto count = static_cast<std::int32_t>(n);
  for (std::int32_t i = 0; i < count; ++i) {
    const double y = r.y + ys[i], x = r.x + r.level * static_cast<double>(i) + xs[i];
    ys[i] = (r.yy * y + r.yx * x + r.y0 - r.middle) * share;
    xs[i] = (r.xy * y + r.xx * x + r.x0 - r.middle) * share;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::align {

HWY_EXPORT(between_all);
HWY_EXPORT(sources_all);

void between_columns(const NodeRun* runs, std::int64_t num_runs, const double* const weights[4],
                     const double* columns, double* out) {
  HWY_DYNAMIC_DISPATCH(between_all)
  (runs, num_runs, weights, columns, out);
}
void sources_of_row(const SourceRow& row, std::int64_t n, double* ys, double* xs) {
  HWY_DYNAMIC_DISPATCH(sources_all)(row, n, ys, xs);
}

}  // namespace petavox::align
#endif
