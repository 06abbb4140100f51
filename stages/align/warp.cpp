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
    locate(ys, xs, width, {held_.begin.y, held_.end.y, held_.begin.x, held_.end.x, in_.stride(1), taps},
           places_);
    for (int c = 0; c < out.channels(); ++c) {
      T* const to = &out.at(c, at);
      const T* const plane = in_.channel(c).data();
      if (c < options_.nearest_from) {
        interpolated(c, ys, xs, width, to);
        continue;
      }
      for (Index i = 0; i < width; ++i)
        to[i] = place(i) == Place::outside ? outside_ : plane[places_.nearest[static_cast<std::size_t>(i)]];
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
  Places places_;
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
  for (std::size_t i = 0; i < width_; ++i) {
    const Vec2 canvas{fine(y) + ys[i], first_ + level_ * static_cast<double>(i) + xs[i]};
    const Vec2 source = source_of(placement_, canvas);
    ys[i] = (source.y - middle_) / level_;
    xs[i] = (source.x - middle_) / level_;
  }
}

void render(const Mapping& mapping, const Box& tile, const Box& source_domain,
            const std::function<Array(const Box&)>& read, const RenderOptions& options, Array& out) {
  const Extent shape = tile.shape();
  if (tile.empty()) return;
  const auto at_row = [&](Index y) { return static_cast<std::size_t>(y * shape.x); };
  std::vector<double> ys(static_cast<std::size_t>(shape.y * shape.x)), xs = ys;
  SourceRows rows{mapping, tile.begin.x, shape.x};
  for (Index y = 0; y < shape.y; ++y) rows.read(tile.begin.y + y, &ys[at_row(y)], &xs[at_row(y)]);
  const auto [low_y, high_y] = bounds(ys.data(), shape.y * shape.x);
  const auto [low_x, high_x] = bounds(xs.data(), shape.y * shape.x);
  const auto limit = [](double v) { return std::clamp(v, -1e15, 1e15); };
  const int taps = taps_of(options.kernel);
  const auto [y0, y1] = needed(limit(low_y), limit(high_y), taps, source_domain.begin.y, source_domain.end.y);
  const auto [x0, x1] = needed(limit(low_x), limit(high_x), taps, source_domain.begin.x, source_domain.end.x);
  const Box wanted{{tile.begin.z, y0, x0}, {tile.begin.z + 1, y1, x1}};
  if (options.held_voxels > 0 && wanted.voxels() > options.held_voxels && shape.y * shape.x > 1) {
    ys = xs = {};
    const int axis = shape.y >= shape.x ? 1 : 2;
    Box first = tile, second = tile;
    first.end[axis] = second.begin[axis] = tile.begin[axis] + shape[axis] / 2;
    render(mapping, first, source_domain, read, options, out);
    render(mapping, second, source_domain, read, options, out);
    return;
  }
  const Array source = read(wanted);
  visit_dtype(source.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_same_v<T, std::uint8_t> || std::is_same_v<T, std::uint16_t>) {
      const auto draw = [&]<int num_taps>(std::integral_constant<int, num_taps>) {
        Interpolator<T, num_taps> interpolator{source, source_domain, options};
        for (Index y = 0; y < shape.y; ++y)
          interpolator.row(&ys[at_row(y)], &xs[at_row(y)], shape.x,
                           {tile.begin.z, tile.begin.y + y, tile.begin.x}, out.view<T>());
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
