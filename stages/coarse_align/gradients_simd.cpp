#include "petavox/base/simd_targets.hpp"

#include "stages/coarse_align/gradients.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/coarse_align/gradients_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// With contraction off, every target does the same operations in the same order: the bits are the same.
// What follows a row's last whole vector is computed in one of a single lane.
HWY_BEFORE_NAMESPACE();
namespace petavox::coarse_align {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr double pi = 3.14159265358979323846;

/// As angle_of() of plane.hpp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V angle_of(D d, V y, V x) {
  const auto zero = hn::Zero(d), one = hn::Set(d, 1.0), quarter = hn::Set(d, pi / 4);
  const auto below = hn::Lt(y, zero), left = hn::Lt(x, zero);
  const auto ay = hn::IfThenElse(below, hn::Neg(y), y), ax = hn::IfThenElse(left, hn::Neg(x), x);
  const auto flat = hn::Le(ay, ax), nothing = hn::And(hn::Eq(ay, zero), hn::Eq(ax, zero));
  auto t = hn::Div(hn::IfThenElse(flat, ay, ax), hn::IfThenElse(flat, ax, ay));
  const auto steep = hn::Gt(t, hn::Set(d, 0.41421356237309503));
  t = hn::IfThenElse(steep, hn::Div(hn::Sub(t, one), hn::Add(t, one)), t);
  const auto s = hn::Mul(t, t);
  auto series = hn::Set(d, 1.0 / 13);
  for (const double c : {-1.0 / 11, 1.0 / 9, -1.0 / 7, 1.0 / 5, -1.0 / 3, 1.0})
    series = hn::Add(hn::Set(d, c), hn::Mul(s, series));
  auto angle = hn::Add(hn::IfThenElseZero(steep, quarter), hn::Mul(t, series));
  angle = hn::IfThenElse(flat, angle, hn::Sub(hn::Set(d, pi / 2), angle));
  angle = hn::IfThenElse(left, hn::Sub(hn::Set(d, pi), angle), angle);
  const auto full = hn::Set(d, 2 * pi);
  angle = hn::IfThenElse(below, hn::Sub(full, angle), angle);
  return hn::IfThenZeroElse(hn::Or(nothing, hn::Ge(angle, full)), angle);
}

template <class D>
HWY_INLINE void gradients_at(D d, const float* above, const float* here, const float* below, double* lengths,
                             double* angles) {
  const hn::Rebind<float, D> narrow;
  const auto difference = [&](const float* high, const float* low) {
    return hn::PromoteTo(d, hn::Sub(hn::LoadU(narrow, high), hn::LoadU(narrow, low)));
  };
  const auto dy = difference(below, above), dx = difference(here + 1, here - 1);
  hn::StoreU(hn::Sqrt(hn::Add(hn::Mul(dy, dy), hn::Mul(dx, dx))), d, lengths);
  hn::StoreU(angle_of(d, dy, dx), d, angles);
}

void gradients(const float* above, const float* here, const float* below, long count, double* lengths,
               double* angles) {
  const hn::CappedTag<double, 8> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  long i = 0;
  for (; i + lanes <= count; i += lanes)
    gradients_at(d, above + i, here + i, below + i, lengths + i, angles + i);
  for (; i < count; ++i)
    gradients_at(hn::CappedTag<double, 1>{}, above + i, here + i, below + i, lengths + i, angles + i);
}

template <class D>
HWY_INLINE void lay_at(D d, const TurnedGrid& grid, long y, long first, const double* angles, double* cell_y,
                       double* cell_x, double* directions) {
  const auto sine = hn::Set(d, grid.sine), cosine = hn::Set(d, grid.cosine), cell = hn::Set(d, grid.cell);
  const auto half = hn::Set(d, grid.half), to_middle = hn::Set(d, 0.5);
  const auto dy = hn::Set(d, static_cast<double>(y) - grid.y);
  const auto dx =
      hn::Sub(hn::Add(hn::Set(d, static_cast<double>(first)), hn::Iota(d, 0)), hn::Set(d, grid.x));
  const auto along = hn::Div(hn::Add(hn::Mul(cosine, dx), hn::Mul(sine, dy)), cell);
  const auto across = hn::Div(hn::Sub(hn::Mul(cosine, dy), hn::Mul(sine, dx)), cell);
  hn::StoreU(hn::Sub(hn::Add(across, half), to_middle), d, cell_y);
  hn::StoreU(hn::Sub(hn::Add(along, half), to_middle), d, cell_x);
  auto relative = hn::Sub(hn::LoadU(d, angles), hn::Set(d, grid.angle));
  relative = hn::IfThenElse(hn::Lt(relative, hn::Zero(d)), hn::Add(relative, hn::Set(d, 2 * pi)), relative);
  hn::StoreU(hn::Div(hn::Mul(relative, hn::Set(d, grid.directions)), hn::Set(d, 2 * pi)), d, directions);
}

void lay_on_grid(const TurnedGrid& grid, long y, long first, const double* angles, long count, double* cell_y,
                 double* cell_x, double* directions) {
  const hn::CappedTag<double, 8> d;
  const auto lanes = static_cast<long>(hn::Lanes(d));
  long i = 0;
  for (; i + lanes <= count; i += lanes)
    lay_at(d, grid, y, first + i, angles + i, cell_y + i, cell_x + i, directions + i);
  for (; i < count; ++i)
    lay_at(hn::CappedTag<double, 1>{}, grid, y, first + i, angles + i, cell_y + i, cell_x + i,
           directions + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::coarse_align
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::coarse_align {

HWY_EXPORT(gradients);
HWY_EXPORT(lay_on_grid);

void gradients(const float* above, const float* here, const float* below, long count, double* lengths,
               double* angles) {
  HWY_DYNAMIC_DISPATCH(gradients)(above, here, below, count, lengths, angles);
}
void lay_on_grid(const TurnedGrid& grid, long y, long first, const double* angles, long count, double* cell_y,
                 double* cell_x, double* directions) {
  HWY_DYNAMIC_DISPATCH(lay_on_grid)(grid, y, first, angles, count, cell_y, cell_x, directions);
}

}  // namespace petavox::coarse_align
#endif
