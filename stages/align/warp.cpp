#include "stages/align/warp.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace petavox::align {
namespace {

constexpr int phases = 1024;

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

template <int taps>
using Table = std::vector<std::array<float, static_cast<std::size_t>(taps)>>;

template <int taps>
Table<taps> make_table() {
  Table<taps> table(phases + 1);
  for (int phase = 0; phase <= phases; ++phase) {
    const double t = static_cast<double>(phase) / phases;
    std::array<double, static_cast<std::size_t>(taps)> w{};
    double sum = 0;
    for (int k = 0; k < taps; ++k) {
      const double d = t - (k - (taps / 2 - 1));  // distance to the k-th pixel
      double v = 0;
      if constexpr (taps == 2) v = 1 - (d < 0 ? -d : d);
      if constexpr (taps == 4) v = cubic_weights(t)[static_cast<std::size_t>(k)];
      if constexpr (taps == 6) v = sinc(d) * sinc(d / 3);
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
const Table<taps>& table_of() {
  static const Table<taps> table = make_table<taps>();
  return table;
}

/// Half-open range of pixels that hold all taps of positions in [low, high], clipped to the domain.
std::pair<Index, Index> needed(double low, double high, int taps, Index begin, Index end) {
  const Index first = static_cast<Index>(std::floor(low)) - (taps / 2 - 1);
  const Index last = static_cast<Index>(std::floor(high)) + taps / 2 + 1;
  const Index b = std::clamp(first, begin, end - 1);
  return {b, std::clamp(last + 1, b + 1, end)};
}

template <class T>
T saturated(float v) {
  const float top = static_cast<float>(std::numeric_limits<T>::max());
  if (!(v > 0)) return T{0};
  return v >= top ? std::numeric_limits<T>::max() : static_cast<T>(v + 0.5F);
}

/// The value of one tap. `holes`: a pixel without content counts as the nearest pixel.
template <bool holes, class T>
float tap(T value, [[maybe_unused]] T empty, [[maybe_unused]] T nearest) {
  if constexpr (holes)
    return static_cast<float>(value == empty ? nearest : value);
  else
    return static_cast<float>(value);
}

template <class T, int taps, bool holes>
void interpolate(const std::vector<Vec2>& positions, const Box& tile, const Box& domain, const Array& source,
                 const RenderOptions& options, Array& out) {
  const auto& table = table_of<taps>();
  const auto in = source.view<T>();
  const auto target = out.view<T>();
  const Box& held = source.box();
  const Index z = held.begin.z, width = tile.shape().x;
  const auto outside = static_cast<T>(options.outside);
  const auto empty = static_cast<T>(options.empty.value_or(0));
  const Index stride = in.stride(1);
  for (Index y = tile.begin.y; y < tile.end.y; ++y) {
    const Vec2* row = &positions[static_cast<std::size_t>((y - tile.begin.y) * width)];
    for (int c = 0; c < target.channels(); ++c) {
      T* to = &target.at(c, {tile.begin.z, y, tile.begin.x});
      for (Index x = 0; x < width; ++x) {
        const Vec2 p = row[x];
        const Index ny = static_cast<Index>(std::floor(p.y + 0.5)),
                    nx = static_cast<Index>(std::floor(p.x + 0.5));
        if (ny < domain.begin.y || ny >= domain.end.y || nx < domain.begin.x || nx >= domain.end.x) {
          to[x] = outside;
          continue;
        }
        const T nearest = in.at(c, {z, ny, nx});
        if (c >= options.nearest_from) {
          to[x] = nearest;
          continue;
        }
        if (holes && nearest == empty) {
          to[x] = outside;
          continue;
        }
        const double fy = std::floor(p.y), fx = std::floor(p.x);
        const auto& wy = table[static_cast<std::size_t>((p.y - fy) * phases + 0.5)];
        const auto& wx = table[static_cast<std::size_t>((p.x - fx) * phases + 0.5)];
        const Index y0 = static_cast<Index>(fy) - (taps / 2 - 1),
                    x0 = static_cast<Index>(fx) - (taps / 2 - 1);
        float sum = 0;
        if (y0 >= held.begin.y && y0 + taps <= held.end.y && x0 >= held.begin.x && x0 + taps <= held.end.x) {
          const T* from = &in.at(c, {z, y0, x0});
          for (int b = 0; b < taps; ++b, from += stride) {
            float line = 0;
            for (int a = 0; a < taps; ++a)
              line += wx[static_cast<std::size_t>(a)] * tap<holes>(from[a], empty, nearest);
            sum += wy[static_cast<std::size_t>(b)] * line;
          }
        } else {  // at the edge of the volume: its faces repeat
          for (int b = 0; b < taps; ++b) {
            const Index sy = std::clamp(y0 + b, domain.begin.y, domain.end.y - 1);
            float line = 0;
            for (int a = 0; a < taps; ++a) {
              const Index sx = std::clamp(x0 + a, domain.begin.x, domain.end.x - 1);
              line += wx[static_cast<std::size_t>(a)] * tap<holes>(in.at(c, {z, sy, sx}), empty, nearest);
            }
            sum += wy[static_cast<std::size_t>(b)] * line;
          }
        }
        to[x] = saturated<T>(sum);
        if (holes && to[x] == empty)
          to[x] = static_cast<T>(empty == std::numeric_limits<T>::max() ? empty - 1 : empty + 1);
      }
    }
  }
}

int taps_of(Kernel kernel) { return kernel == Kernel::linear ? 2 : kernel == Kernel::cubic ? 4 : 6; }

}  // namespace

void source_positions(const Mapping& m, Index y, Index x_begin, std::span<Vec2> out) {
  const auto level = static_cast<double>(m.level);
  const double middle = 0.5 * (level - 1);
  const double fine_y = level * static_cast<double>(y) + middle;
  const double fine_x = level * static_cast<double>(x_begin) + middle;
  if (m.has_field)
    field_row(m.field, m.field_spacing, fine_y, fine_x, level, out);
  else
    std::fill(out.begin(), out.end(), Vec2{});
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Vec2 canvas{fine_y + out[i].y, fine_x + level * static_cast<double>(i) + out[i].x};
    const Vec2 source = source_of(m.placement, canvas);
    out[i] = {(source.y - middle) / level, (source.x - middle) / level};
  }
}

void render(const Mapping& mapping, const Box& tile, const Box& source_domain,
            const std::function<Array(const Box&)>& read, const RenderOptions& options, Array& out) {
  const Extent shape = tile.shape();
  if (tile.empty()) return;
  std::vector<Vec2> positions(static_cast<std::size_t>(shape.y * shape.x));
  Vec2 low{1e300, 1e300}, high{-1e300, -1e300};
  for (Index y = 0; y < shape.y; ++y) {
    const std::span<Vec2> row{&positions[static_cast<std::size_t>(y * shape.x)],
                              static_cast<std::size_t>(shape.x)};
    source_positions(mapping, tile.begin.y + y, tile.begin.x, row);
    for (const Vec2& p : row) {
      low = {std::min(low.y, p.y), std::min(low.x, p.x)};
      high = {std::max(high.y, p.y), std::max(high.x, p.x)};
    }
  }
  const auto limit = [](double v) { return std::clamp(v, -1e15, 1e15); };
  const int taps = taps_of(options.kernel);
  const auto [y0, y1] = needed(limit(low.y), limit(high.y), taps, source_domain.begin.y, source_domain.end.y);
  const auto [x0, x1] = needed(limit(low.x), limit(high.x), taps, source_domain.begin.x, source_domain.end.x);
  const Box wanted{{tile.begin.z, y0, x0}, {tile.begin.z + 1, y1, x1}};
  if (options.held_voxels > 0 && wanted.voxels() > options.held_voxels && shape.y * shape.x > 1) {
    positions = {};
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
      const auto by = [&]<int count>(std::integral_constant<int, count>) {
        if (options.empty)
          interpolate<T, count, true>(positions, tile, source_domain, source, options, out);
        else
          interpolate<T, count, false>(positions, tile, source_domain, source, options, out);
      };
      if (taps == 2) by(std::integral_constant<int, 2>{});
      if (taps == 4) by(std::integral_constant<int, 4>{});
      if (taps == 6) by(std::integral_constant<int, 6>{});
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
