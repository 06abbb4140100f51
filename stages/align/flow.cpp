#include "stages/align/flow.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace petavox::align {
namespace {

std::int16_t quantised(double v, double units) {
  return static_cast<std::int16_t>(std::clamp(std::floor(v * units + 0.5), -32767.0, 32767.0));
}

/// Copies the square of pixels at (z, y, x) with its validity; what is outside the domain is invalid.
template <class T>
void cut(View<const T> placed, Coord at, int side, std::vector<std::uint16_t>& pixels,
         std::vector<std::uint8_t>& valid) {
  const Box wanted = Box::from(at, {1, side, side}), inside = wanted.intersect(placed.box());
  const auto n = static_cast<std::size_t>(wanted.voxels());
  pixels.resize(n);
  valid.resize(n);
  if (inside != wanted) {
    std::fill(pixels.begin(), pixels.end(), std::uint16_t{0});
    std::fill(valid.begin(), valid.end(), std::uint8_t{0});
  }
  const auto width = static_cast<std::size_t>(inside.shape().x);
  for (Index y = inside.begin.y; y < inside.end.y; ++y) {
    const T* const image = &placed.at(0, {at.z, y, inside.begin.x});
    const T* const mask = &placed.at(1, {at.z, y, inside.begin.x});
    const auto to = static_cast<std::size_t>((y - at.y) * side + inside.begin.x - at.x);
    std::uint16_t* const pixel_row = pixels.data() + to;
    std::uint8_t* const valid_row = valid.data() + to;
    for (std::size_t x = 0; x < width; ++x) pixel_row[x] = static_cast<std::uint16_t>(image[x]);
    for (std::size_t x = 0; x < width; ++x) valid_row[x] = mask[x] != 0 ? 1 : 0;
  }
}

template <class T>
void flow_of_typed(View<const T> placed, const FlowSettings& s, View<std::int16_t> out) {
  Matcher matcher{s.match};
  const int reach = s.links.back();
  // Of the last sections: their windows, each transformed once for all links.
  std::vector<Prepared> windows(static_cast<std::size_t>(reach) + 1);
  std::vector<Index> window_of(windows.size());
  Prepared patch;
  std::vector<std::uint16_t> pixels;
  std::vector<std::uint8_t> valid;
  const Box& nodes = out.box();
  for (Index j = nodes.begin.y; j < nodes.end.y; ++j)
    for (Index i = nodes.begin.x; i < nodes.end.x; ++i) {
      std::fill(window_of.begin(), window_of.end(), placed.domain().begin.z - 1);
      const Index cy = j * s.spacing + s.spacing / 2, cx = i * s.spacing + s.spacing / 2;
      for (Index z = nodes.begin.z; z < nodes.end.z; ++z) {
        cut(placed, {z, cy - s.match.patch / 2, cx - s.match.patch / 2}, s.match.patch, pixels, valid);
        matcher.prepare_patch(pixels.data(), valid.data(), patch);
        for (std::size_t k = 0; k < s.links.size(); ++k) {
          const Index other = z - s.links[k];
          Match match;
          if (other >= placed.domain().begin.z) {
            const auto slot = static_cast<std::size_t>((other % (reach + 1) + reach + 1) % (reach + 1));
            if (window_of[slot] != other) {
              const int side = s.match.window();
              cut(placed, {other, cy - side / 2, cx - side / 2}, side, pixels, valid);
              matcher.prepare_window(pixels.data(), valid.data(), windows[slot]);
              window_of[slot] = other;
            }
            match = matcher.match(patch, windows[slot]);
          }
          const int c = static_cast<int>(k) * flow_channels;
          const Coord at{z, j, i};
          out.at(c, at) = quantised(match.dy, flow_units_per_px);
          out.at(c + 1, at) = quantised(match.dx, flow_units_per_px);
          out.at(c + 2, at) = quantised(match.peak, quality_units);
          out.at(c + 3, at) = quantised(match.ratio, quality_units);
          out.at(c + 4, at) = quantised(match.sharpness, quality_units);
          out.at(c + 5, at) = static_cast<std::int16_t>(match.state);
        }
      }
    }
}

double median(std::array<double, 9>& values, std::size_t n) {
  std::sort(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n));
  return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

}  // namespace

Index flow_halo(const FlowSettings& s) {
  return s.match.window() / 2 - s.spacing / 2 + (s.spacing % 2 == 0 ? 0 : 1);
}

void flow_of(const Array& placed, const FlowSettings& settings, Array& out) {
  if (placed.dtype() == DType::u8)
    flow_of_typed(placed.view<std::uint8_t>(), settings, out.view<std::int16_t>());
  else
    flow_of_typed(placed.view<std::uint16_t>(), settings, out.view<std::int16_t>());
}

void clean_flow(const Array& flow, const CleanSettings& s, int num_links, Array& out) {
  const auto in = flow.view<std::int16_t>();
  const auto target = out.view<std::int16_t>();
  const Box box = flow.box();
  const auto first_look = [&](int c, Coord p) {
    const auto state = static_cast<MatchState>(in.at(c + 5, p));
    if (state != MatchState::good) return state;
    if (in.at(c + 3, p) < s.min_ratio * quality_units) return MatchState::ambiguous;
    if (in.at(c + 4, p) < s.min_sharpness * quality_units || in.at(c + 2, p) < s.min_peak * quality_units)
      return MatchState::flat;
    return MatchState::good;
  };
  for (int k = 0; k < num_links; ++k) {
    const int c = k * flow_channels, to = k * clean_channels;
    out.box().for_each([&](Coord p) {
      MatchState state = first_look(c, p);
      if (state == MatchState::good) {
        std::array<double, 9> ys{}, xs{};
        std::size_t n = 0;
        for (Index dy = -1; dy <= 1; ++dy)
          for (Index dx = -1; dx <= 1; ++dx) {
            const Coord q{p.z, p.y + dy, p.x + dx};
            if ((dy == 0 && dx == 0) || !box.contains(q) || first_look(c, q) != MatchState::good) continue;
            ys[n] = in.at(c, q) / flow_units_per_px;
            xs[n++] = in.at(c + 1, q) / flow_units_per_px;
          }
        // Alone, nothing speaks for it.
        if (n < 2) {
          state = MatchState::deviant;
        } else {
          const double ey = in.at(c, p) / flow_units_per_px - median(ys, n);
          const double ex = in.at(c + 1, p) / flow_units_per_px - median(xs, n);
          if (ey * ey + ex * ex > s.max_deviation * s.max_deviation) state = MatchState::deviant;
        }
      }
      const bool good = state == MatchState::good;
      target.at(to, p) = good ? in.at(c, p) : std::int16_t{0};
      target.at(to + 1, p) = good ? in.at(c + 1, p) : std::int16_t{0};
      // The better the correlation, the smaller the variance of its peak's place.
      const double peak = std::clamp(in.at(c + 2, p) / quality_units, 0.0, 1.0);
      target.at(to + 2, p) = good ? quantised(peak, weight_units) : std::int16_t{0};
      target.at(to + 3, p) = static_cast<std::int16_t>(state);
    });
  }
}

}  // namespace petavox::align
