#include "stages/align/warp.hpp"

#include "stages/align/resample.hpp"

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

using Table = std::vector<std::array<float, 8>>;

template <int taps>
Table make_table() {
  Table table(phases + 1);
  for (int phase = 0; phase <= phases; ++phase) {
    const double t = static_cast<double>(phase) / phases;
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

template <class T>
T saturated(float v) {
  const float top = static_cast<float>(std::numeric_limits<T>::max());
  if (!(v > 0)) return T{0};
  return v >= top ? std::numeric_limits<T>::max() : static_cast<T>(v + 0.5F);
}

/// A row of samples that are drawn together, and where in the row they go.
struct Row {
  std::vector<Sample> samples;
  std::vector<Index> targets;
  std::vector<float> sums;
};

template <class T, int taps>
void interpolate(const std::vector<Vec2>& positions, const Box& tile, const Box& domain, const Array& source,
                 const RenderOptions& options, Array& out) {
  constexpr Index width_of_taps = weights_of_taps<taps>;
  const Table& table = table_of<taps>();
  const auto in = source.view<T>();
  const auto target = out.view<T>();
  const Box& held = source.box();
  const Index z = held.begin.z, width = tile.shape().x, stride = in.stride(1);
  const auto outside = static_cast<T>(options.outside);
  const auto empty_value = static_cast<T>(options.empty.value_or(0));
  const T* const empty = options.empty ? &empty_value : nullptr;
  // At the edge of the volume its faces repeat: the taps of such a pixel, gathered.
  std::array<T, static_cast<std::size_t>(taps * width_of_taps + 1)> gathered{};
  Row row;
  for (Index y = tile.begin.y; y < tile.end.y; ++y) {
    const Vec2* const places = &positions[static_cast<std::size_t>((y - tile.begin.y) * width)];
    for (int c = 0; c < target.channels(); ++c) {
      T* const to = &target.at(c, {tile.begin.z, y, tile.begin.x});
      const T* const plane = &in.at(c, {z, held.begin.y, held.begin.x});
      const auto at = [&](Index py, Index px) { return (py - held.begin.y) * stride + px - held.begin.x; };
      const auto drawn = [&](float sum) {
        const T v = saturated<T>(sum);
        if (empty == nullptr || v != *empty) return v;
        return static_cast<T>(v == std::numeric_limits<T>::max() ? v - 1 : v + 1);
      };
      row.samples.clear();
      row.targets.clear();
      for (Index x = 0; x < width; ++x) {
        const Vec2 p = places[x];
        const Index ny = static_cast<Index>(std::floor(p.y + 0.5)),
                    nx = static_cast<Index>(std::floor(p.x + 0.5));
        if (ny < domain.begin.y || ny >= domain.end.y || nx < domain.begin.x || nx >= domain.end.x) {
          to[x] = outside;
          continue;
        }
        const Index nearest = at(ny, nx);
        if (c >= options.nearest_from) {
          to[x] = plane[nearest];
          continue;
        }
        if (empty != nullptr && plane[nearest] == *empty) {
          to[x] = outside;
          continue;
        }
        const double fy = std::floor(p.y), fx = std::floor(p.x);
        const Index y0 = static_cast<Index>(fy) - (taps / 2 - 1),
                    x0 = static_cast<Index>(fx) - (taps / 2 - 1);
        Sample sample{at(y0, x0), nearest, table[static_cast<std::size_t>((p.y - fy) * phases + 0.5)].data(),
                      table[static_cast<std::size_t>((p.x - fx) * phases + 0.5)].data()};
        if (y0 >= held.begin.y && y0 + taps <= held.end.y && x0 >= held.begin.x &&
            x0 + width_of_taps <= held.end.x) {
          row.samples.push_back(sample);
          row.targets.push_back(x);
          continue;
        }
        for (int b = 0; b < taps; ++b)
          for (int a = 0; a < taps; ++a)
            gathered[static_cast<std::size_t>(b * width_of_taps + a)] =
                plane[at(std::clamp(y0 + b, domain.begin.y, domain.end.y - 1),
                         std::clamp(x0 + a, domain.begin.x, domain.end.x - 1))];
        gathered.back() = plane[nearest];
        sample.first = 0;
        sample.nearest = static_cast<std::int64_t>(gathered.size()) - 1;
        float sum = 0;
        resample(gathered.data(), width_of_taps, taps, &sample, 1, empty, &sum);
        to[x] = drawn(sum);
      }
      row.sums.resize(row.samples.size());
      resample(plane, stride, taps, row.samples.data(), static_cast<std::int64_t>(row.samples.size()), empty,
               row.sums.data());
      for (std::size_t i = 0; i < row.sums.size(); ++i) to[row.targets[i]] = drawn(row.sums[i]);
    }
  }
}

int taps_of(Kernel kernel) { return kernel == Kernel::cubic ? 4 : 6; }

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
      if (taps == 4)
        interpolate<T, 4>(positions, tile, source_domain, source, options, out);
      else
        interpolate<T, 6>(positions, tile, source_domain, source, options, out);
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
