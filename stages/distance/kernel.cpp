#include "stages/distance/kernel.hpp"

#include "stages/distance/columns.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace petavox::distance {
namespace {

constexpr auto lanes = static_cast<Index>(Columns::lanes);

/// Along each row of x: to the nearest other label on the row. `far` is one beyond the bound.
void along_x(const View<const std::uint32_t>& ids, const View<std::int32_t>& out, std::int32_t size,
             std::int32_t far) {
  const Box& box = out.box();
  const Index begin = ids.box().begin.x, length = ids.box().end.x - begin;
  std::vector<std::int32_t> nearest(static_cast<std::size_t>(length));
  // A distance in voxels whose square is beyond the bound whatever its size.
  const auto limit = static_cast<std::int32_t>(std::sqrt(static_cast<double>(far))) / size + 1;
  for (Index z = box.begin.z; z < box.end.z; ++z)
    for (Index y = box.begin.y; y < box.end.y; ++y) {
      const std::uint32_t* const id = ids.row(z, y).data();
      std::int32_t steps = limit;
      for (Index x = 0; x < length; ++x) {
        steps = x > 0 && id[x] != id[x - 1] ? 1 : std::min(steps + 1, limit);
        nearest[static_cast<std::size_t>(x)] = steps;
      }
      steps = limit;
      std::int32_t* const to = out.row(z, y).data();
      for (Index x = length; x-- > 0;) {
        steps = x + 1 < length && id[x] != id[x + 1] ? 1 : std::min(steps + 1, limit);
        const Index at = x + begin - box.begin.x;
        if (at < 0 || at >= box.end.x - box.begin.x) continue;
        const std::int64_t d = std::int64_t{size} * std::min(steps, nearest[static_cast<std::size_t>(x)]);
        to[at] = id[x] == 0 ? 0 : static_cast<std::int32_t>(std::min<std::int64_t>(d * d, far));
      }
    }
}

/// One axis after the other ones: reads `from` over its box, writes `to` over its own, which is the same but
/// for `axis`.
void along(int axis, const View<const std::uint32_t>& ids, const View<const std::int32_t>& from,
           const View<std::int32_t>& to, std::int32_t size) {
  const Box& box = from.box();
  const Index length = box.end[axis] - box.begin[axis];
  const int other = 1 - axis;  // z and y
  const Index begin = to.box().begin[axis], end = to.box().end[axis];
  std::vector<std::uint32_t> strip_ids(usize(length * lanes));
  std::vector<std::int32_t> squares(usize(length * lanes)), results(usize((end - begin) * lanes));
  const Columns columns{strip_ids.data(), squares.data(), usize(length), size};
  for (Index o = to.box().begin[other]; o < to.box().end[other]; ++o)
    for (Index x = box.begin.x; x < box.end.x; x += lanes) {
      const Index width = std::min(lanes, box.end.x - x);
      Coord p{0, 0, x};
      p[other] = o;
      for (Index n = 0; n < length; ++n) {
        p[axis] = box.begin[axis] + n;
        std::copy_n(&ids[p], width, strip_ids.data() + n * lanes);
        std::copy_n(&from[p], width, squares.data() + n * lanes);
      }
      look_along(columns, usize(begin - box.begin[axis]), usize(end - box.begin[axis]), results.data());
      for (Index n = begin; n < end; ++n) {
        p[axis] = n;
        std::copy_n(results.data() + (n - begin) * lanes, width, &to[p]);
      }
    }
}

}  // namespace

Grid grid_of(const VoxelSizeNm& voxel_size_nm, double max_distance_nm) {
  std::array<std::int64_t, 3> thousandths{};
  for (std::size_t axis = 0; axis < 3; ++axis)
    thousandths[axis] = std::max<std::int64_t>(1, std::llround(voxel_size_nm[axis] * 1000));
  const std::int64_t unit = std::gcd(thousandths[0], std::gcd(thousandths[1], thousandths[2]));
  Grid grid;
  grid.unit_nm = static_cast<double>(unit) / 1000;
  const double units = max_distance_nm / grid.unit_nm;
  const double square = std::floor(units * units);
  std::int64_t longest = 0;
  for (const std::int64_t t : thousandths) longest = std::max(longest, t / unit);
  if (square >= double{1 << 30} || longest >= 1 << 15)
    throw Error{
        ErrorCode::config,
        "max_distance_nm is too many units of " + std::to_string(grid.unit_nm) +
            " nm, of which the voxel sizes are multiples (squares must fit 30 bits); lower it or round "
            "the voxel sizes"};
  for (std::size_t axis = 0; axis < 3; ++axis)
    grid.size[axis] = static_cast<std::int32_t>(thousandths[axis] / unit);
  grid.bound = static_cast<std::int32_t>(square);
  return grid;
}

Halo halo_of(const Grid& grid) {
  Halo halo;
  for (int axis = 0; axis < 3; ++axis) {
    const std::int64_t size = grid.size[static_cast<std::size_t>(axis)];
    Index reach = 0;
    while ((reach + 1) * (reach + 1) * size * size <= grid.bound) ++reach;
    halo.low[axis] = halo.high[axis] = reach;
  }
  return halo;
}

Array squared(const Array& ids, const Box& core, const Grid& grid) {
  const Box& read = ids.box();
  const std::int32_t far = grid.bound + 1;
  const auto labels = ids.view<std::uint32_t>();
  // Rows of all that is read, then planes of the core's rows, then the core.
  Array rows{DType::i32,
             Box{{read.begin.z, read.begin.y, core.begin.x}, {read.end.z, read.end.y, core.end.x}}};
  along_x(labels, rows.view<std::int32_t>(), grid.size[2], far);
  Array planes{DType::i32,
               Box{{read.begin.z, core.begin.y, core.begin.x}, {read.end.z, core.end.y, core.end.x}}};
  along(1, labels, std::as_const(rows).view<std::int32_t>(), planes.view<std::int32_t>(), grid.size[1]);
  rows = Array{};
  Array result{DType::i32, core, ids.domain()};
  along(0, labels, std::as_const(planes).view<std::int32_t>(), result.view<std::int32_t>(), grid.size[0]);
  return result;
}

}  // namespace petavox::distance
