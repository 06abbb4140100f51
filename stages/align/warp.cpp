#include "stages/align/warp.hpp"

#include "stages/align/resample.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

namespace petavox::align {
namespace {

/// Sine on [0, pi/2] by its Taylor series: the C library's last bit depends on the processor.
double sine_small(double x) {
  double term = x, sum = x;
  for (int n = 1; n <= 11; ++n) {
    term = -term * x * x / static_cast<double>((2 * n) * (2 * n + 1));
    sum += term;
  }
  return sum;
}
constexpr double pi = 3.14159265358979323846;

/// sin(pi x) for any x.
double sin_pi(double x) {
  double r = x - 2 * std::floor(x / 2);  // [0, 2)
  const double sign = r >= 1 ? -1.0 : 1.0;
  if (r >= 1) r -= 1;
  if (r > 0.5) r = 1 - r;
  return sign * sine_small(pi * r);
}
double sinc(double x) { return x == 0 ? 1.0 : sin_pi(x) / (pi * x); }

using Table = std::vector<std::array<float, weight_stride>>;

template <int taps>
Table make_table() {
  Table table(weight_phases + 1);
  for (int phase = 0; phase <= weight_phases; ++phase) {
    const double t = static_cast<double>(phase) / weight_phases;
    std::array<double, static_cast<std::size_t>(taps)> w{};
    double sum = 0;
    for (int k = 0; k < taps; ++k) {
      const double d = t - (k - (taps / 2 - 1));  // distance to the k-th pixel
      const double v = taps == 4 ? cubic_weights(t)[static_cast<std::size_t>(k)] : sinc(d) * sinc(d / 3);
      w[static_cast<std::size_t>(k)] = v;
      sum += v;
    }
    for (int k = 0; k < taps; ++k)
      table[static_cast<std::size_t>(phase)][static_cast<std::size_t>(k)] =
          static_cast<float>(w[static_cast<std::size_t>(k)] / sum);
  }
  return table;
}

template <int taps>
const Table& table_of() {
  static const Table table = make_table<taps>();
  return table;
}

/// Half-open range of pixels that hold all taps of positions in [low, high], clipped to the domain.
std::pair<Index, Index> needed(double low, double high, int taps, Index begin, Index end) {
  const Index first = static_cast<Index>(std::floor(low)) - (taps / 2 - 1);
  const Index last = static_cast<Index>(std::floor(high)) + taps / 2 + 1;
  const Index b = std::clamp(first, begin, end - 1);
  return {b, std::clamp(last + 1, b + 1, end)};
}

template <class T, int taps>
class Interpolator {
 public:
  Interpolator(const Array& source, const Box& domain, const RenderOptions& options)
      : in_{source.view<T>()},
        held_{source.box()},
        domain_{domain},
        options_{options},
        outside_{static_cast<T>(options.outside)},
        empty_{static_cast<T>(options.empty.value_or(0))} {
    PETAVOX_ASSERT(held_.voxels() < largest && held_.end.y < largest && held_.end.x < largest &&
                   held_.begin.y > -largest && held_.begin.x > -largest);
    holes_ = std::vector<std::uint8_t>(static_cast<std::size_t>(in_.channels()), 0);
    for (int c = 0; options.empty && c < in_.channels(); ++c)
      holes_[static_cast<std::size_t>(c)] = std::ranges::count(in_.channel(c), empty_) > 0 ? 1 : 0;
  }

  /// The pixels whose sources are ys[i] and xs[i], of all channels, over a row of `out` from `at` on.
  void row(const double* ys, const double* xs, Index width, Coord at, View<T> out) {
    all_inside_ =
        locate(ys, xs, width, {held_.begin.y, held_.end.y, held_.begin.x, held_.end.x, in_.stride(1), taps},
               places_);
    for (int c = 0; c < out.channels(); ++c) {
      T* const to = &out.at(c, at);
      const T* const plane = in_.channel(c).data();
      if (c < options_.nearest_from) {
        interpolated(c, ys, xs, width, to);
        continue;
      }
      const std::int32_t* const nearest = places_.nearest.data();
      if (all_inside_)
        for (Index i = 0; i < width; ++i) to[i] = plane[nearest[i]];
      else
        for (Index i = 0; i < width; ++i) to[i] = place(i) == Place::outside ? outside_ : plane[nearest[i]];
    }
  }

 private:
  static constexpr Index largest = Index{1} << 30;
  Place place(Index i) const { return static_cast<Place>(places_.place[static_cast<std::size_t>(i)]); }

  void interpolated(int c, const double* ys, const double* xs, Index width, T* to) {
    const T* const plane = in_.channel(c).data();
    const T* const holes = holes_[static_cast<std::size_t>(c)] != 0 ? &empty_ : nullptr;
    const auto kind = [&](Index i) {
      const Place p = place(i);
      return holes != nullptr && p != Place::outside &&
                     plane[places_.nearest[static_cast<std::size_t>(i)]] == empty_
                 ? Place::outside
                 : p;
    };
    const float* const table = table_of<taps>().data()->data();
    sums_.resize(static_cast<std::size_t>(width));
    if (all_inside_ && holes == nullptr) {
      resample(plane, in_.stride(1), taps, table, places_, 0, width, holes, sums_.data());
      saturate(sums_.data(), width, options_.empty ? &empty_ : nullptr, to);
      return;
    }
    for (Index begin = 0, end = 0; begin < width; begin = end) {
      const Place k = kind(begin);
      for (end = begin + 1; end < width && kind(end) == k;) ++end;
      if (k == Place::outside) {
        std::fill(to + begin, to + end, outside_);
        continue;
      }
      if (k == Place::inside)
        resample(plane, in_.stride(1), taps, table, places_, begin, end, holes, sums_.data());
      else
        for (Index i = begin; i < end; ++i) at_edge(plane, ys[i], xs[i], i, holes);
      saturate(sums_.data() + begin, end - begin, options_.empty ? &empty_ : nullptr, to + begin);
    }
  }

  /// At the edge of the volume its faces repeat: the taps of such a pixel, gathered.
  void at_edge(const T* plane, double y, double x, Index i, const T* holes) {
    constexpr Index width = weights_of_taps<taps>;
    std::array<T, static_cast<std::size_t>(taps * width + 1)> gathered{};
    const auto from = static_cast<std::size_t>(i);
    const Index y0 = static_cast<Index>(std::floor(y)) - (taps / 2 - 1),
                x0 = static_cast<Index>(std::floor(x)) - (taps / 2 - 1);
    for (Index b = 0; b < taps; ++b)
      for (Index a = 0; a < taps; ++a)
        gathered[static_cast<std::size_t>(b * width + a)] =
            plane[(std::clamp(y0 + b, domain_.begin.y, domain_.end.y - 1) - held_.begin.y) * in_.stride(1) +
                  std::clamp(x0 + a, domain_.begin.x, domain_.end.x - 1) - held_.begin.x];
    gathered.back() = plane[places_.nearest[from]];
    const Places one{{0},
                     {static_cast<std::int32_t>(gathered.size()) - 1},
                     {places_.phase_y[from]},
                     {places_.phase_x[from]},
                     {}};
    resample(gathered.data(), width, taps, table_of<taps>().data()->data(), one, 0, 1, holes, &sums_[from]);
  }

  View<const T> in_;
  Box held_, domain_;
  RenderOptions options_;
  T outside_, empty_;
  std::vector<std::uint8_t> holes_;  ///< of each channel, whether something in it is empty
  Places places_;                    ///< of the row
  bool all_inside_ = false;
  std::vector<float> sums_;
};

int taps_of(Kernel kernel) { return kernel == Kernel::cubic ? 4 : 6; }

}  // namespace

SourceRows::SourceRows(const Mapping& m, Index x_begin, Index width)
    : placement_{m.placement},
      level_{static_cast<double>(m.level)},
      middle_{0.5 * (level_ - 1)},
      first_{fine(x_begin)},
      width_{static_cast<std::size_t>(width)} {
  if (m.has_field) field_.emplace(m.field, m.field_spacing, first_, level_, width_);
}

void SourceRows::read(Index y, double* ys, double* xs) {
  if (field_) {
    field_->read(fine(y), ys, xs);
  } else {
    std::fill(ys, ys + width_, 0.0);
    std::fill(xs, xs + width_, 0.0);
  }
  const Placement& p = placement_;
  sources_of_row({fine(y), first_, level_, middle_, p.yy, p.yx, p.y0, p.xy, p.xx, p.x0},
                 static_cast<std::int64_t>(width_), ys, xs);
}

namespace {

/// Of positions, along each axis.
struct Bounds {
  Vec2 low, high;
};

Bounds exact_bounds(const Mapping& mapping, const Box& tile) {
  const Index width = tile.shape().x;
  std::vector<double> ys(static_cast<std::size_t>(width)), xs = ys;
  SourceRows rows{mapping, tile.begin.x, width};
  std::optional<Bounds> found;
  for (Index y = tile.begin.y; y < tile.end.y; ++y) {
    rows.read(y, ys.data(), xs.data());
    const auto [low_y, high_y] = bounds(ys.data(), width);
    const auto [low_x, high_x] = bounds(xs.data(), width);
    if (!found) found = Bounds{{low_y, low_x}, {high_y, high_x}};
    found->low = {std::min(found->low.y, low_y), std::min(found->low.x, low_x)};
    found->high = {std::max(found->high.y, high_y), std::max(found->high.x, high_x)};
  }
  return *found;
}

/// From the nodes that the tile reads: a cubic convolution leaves the range of its samples by at most 9/32 of
/// it, an eighth along each axis. So no position need be known before the pixels that it reads.
Bounds sure_bounds(const Mapping& m, const Box& tile) {
  const double level = static_cast<double>(m.level), middle = 0.5 * (level - 1);
  const auto fine = [&](Index c) { return level * static_cast<double>(c) + middle; };
  Bounds canvas{{fine(tile.begin.y), fine(tile.begin.x)}, {fine(tile.end.y - 1), fine(tile.end.x - 1)}};
  if (m.has_field) {
    const auto before = [&](double px) {
      return static_cast<Index>(std::floor(node_position(px, m.field_spacing))) - 1;
    };
    Vec2 low = m.field.node(before(canvas.low.y), before(canvas.low.x)), high = low;
    for (Index j = before(canvas.low.y); j <= before(canvas.high.y) + 3; ++j)
      for (Index i = before(canvas.low.x); i <= before(canvas.high.x) + 3; ++i) {
        const Vec2 v = m.field.node(j, i);
        low = {std::min(low.y, v.y), std::min(low.x, v.x)};
        high = {std::max(high.y, v.y), std::max(high.x, v.x)};
      }
    const Vec2 beyond = (9.0 / 32) * (high - low);
    canvas.low = canvas.low + (1 / field_units_per_px) * (low - beyond);
    canvas.high = canvas.high + (1 / field_units_per_px) * (high + beyond);
  }
  const auto along = [&](double by_y, double by_x, double from, double& low, double& high) {
    constexpr double rounding = 1e-6;
    const auto least = [&](double by, double a, double b) { return std::min(by * a, by * b); };
    const auto most = [&](double by, double a, double b) { return std::max(by * a, by * b); };
    low = (least(by_y, canvas.low.y, canvas.high.y) + least(by_x, canvas.low.x, canvas.high.x) + from -
           middle) /
              level -
          rounding;
    high =
        (most(by_y, canvas.low.y, canvas.high.y) + most(by_x, canvas.low.x, canvas.high.x) + from - middle) /
            level +
        rounding;
  };
  Bounds found;
  const Placement& p = m.placement;
  along(p.yy, p.yx, p.y0, found.low.y, found.high.y);
  along(p.xy, p.xx, p.x0, found.low.x, found.high.x);
  return found;
}

}  // namespace

void render(const Mapping& mapping, const Box& tile, const Box& source_domain,
            const std::function<Array(const Box&)>& read, const RenderOptions& options, Array& out) {
  const Extent shape = tile.shape();
  if (tile.empty()) return;
  const int taps = taps_of(options.kernel);
  const auto source_of_tile = [&](const Bounds& b) {
    const auto limit = [](double v) { return std::clamp(v, -1e15, 1e15); };
    const auto [y0, y1] =
        needed(limit(b.low.y), limit(b.high.y), taps, source_domain.begin.y, source_domain.end.y);
    const auto [x0, x1] =
        needed(limit(b.low.x), limit(b.high.x), taps, source_domain.begin.x, source_domain.end.x);
    return Box{{tile.begin.z, y0, x0}, {tile.begin.z + 1, y1, x1}};
  };
  const auto too_large = [&](const Box& b) {
    return options.held_voxels > 0 && b.voxels() > options.held_voxels;
  };
  Box wanted = source_of_tile(sure_bounds(mapping, tile));
  constexpr Index small = 1024;  // pixels, of which each is looked at rather than halve them in vain
  if (too_large(wanted) && shape.y * shape.x <= small) wanted = source_of_tile(exact_bounds(mapping, tile));
  if (too_large(wanted) && shape.y * shape.x > 1) {
    const int axis = shape.y >= shape.x ? 1 : 2;
    Box first = tile, second = tile;
    first.end[axis] = second.begin[axis] = tile.begin[axis] + shape[axis] / 2;
    render(mapping, first, source_domain, read, options, out);
    render(mapping, second, source_domain, read, options, out);
    return;
  }
  const Array source = read(wanted);
  std::vector<double> ys(static_cast<std::size_t>(shape.x)), xs = ys;
  SourceRows rows{mapping, tile.begin.x, shape.x};
  visit_dtype(source.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_same_v<T, std::uint8_t> || std::is_same_v<T, std::uint16_t>) {
      const auto draw = [&]<int num_taps>(std::integral_constant<int, num_taps>) {
        Interpolator<T, num_taps> interpolator{source, source_domain, options};
        for (Index y = tile.begin.y; y < tile.end.y; ++y) {
          rows.read(y, ys.data(), xs.data());
          interpolator.row(ys.data(), xs.data(), shape.x, {tile.begin.z, y, tile.begin.x}, out.view<T>());
        }
      };
      if (taps == 4)
        draw(std::integral_constant<int, 4>{});
      else
        draw(std::integral_constant<int, 6>{});
    } else {
      throw Error{ErrorCode::contract, std::string{"images of "} + name_of(source.dtype()) +
                                           " cannot be warped (only uint8 and uint16 can); convert them"};
    }
  });
}

Index held_for_tile(Index tile) {
  const auto edge = static_cast<Index>(1.4143 * 1.2 * static_cast<double>(tile)) + 16;
  return edge * edge;
}

}  // namespace petavox::align
