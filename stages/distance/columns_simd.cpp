#include "petavox/base/simd_targets.hpp"

#include "stages/distance/columns.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "stages/distance/columns_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace petavox::distance {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Candidates come by growing distance, so the search of a voxel ends where none of its neighbours in the
/// vector can gain.
void look_along_each(const Columns& columns, std::size_t begin, std::size_t end, std::int32_t* results) {
  constexpr std::size_t lanes = Columns::lanes;
  const hn::CappedTag<std::int32_t, lanes> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const std::int64_t size = columns.size;
  for (std::size_t lane = 0; lane < lanes; lane += hn::Lanes(d)) {
    const std::uint32_t* const ids = columns.ids + lane;
    const std::int32_t* const squares = columns.squares + lane;
    for (std::size_t at = begin; at < end; ++at) {
      const auto own = hn::LoadU(du, ids + at * lanes);
      auto best = hn::LoadU(d, squares + at * lanes);
      for (std::size_t away = 1; away < columns.length; ++away) {
        const auto steps = static_cast<std::int64_t>(away);
        const std::int64_t square = steps * steps * size * size;
        if (square > std::int64_t{1} << 30) break;
        const auto way = hn::Set(d, static_cast<std::int32_t>(square));
        if (hn::AllFalse(d, hn::Gt(best, way))) break;
        const auto learn = [&](std::size_t from) HWY_ATTR {
          const auto same = hn::RebindMask(d, hn::Eq(hn::LoadU(du, ids + from * lanes), own));
          const auto known = hn::IfThenElseZero(same, hn::LoadU(d, squares + from * lanes));
          best = hn::Min(best, hn::Add(known, way));
        };
        if (at >= away) learn(at - away);
        if (at + away < columns.length) learn(at + away);
      }
      hn::StoreU(best, d, results + (at - begin) * lanes + lane);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace petavox::distance
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace petavox::distance {

HWY_EXPORT(look_along_each);

void look_along(const Columns& columns, std::size_t begin, std::size_t end, std::int32_t* results) {
  HWY_DYNAMIC_DISPATCH(look_along_each)(columns, begin, end, results);
}

}  // namespace petavox::distance
#endif
