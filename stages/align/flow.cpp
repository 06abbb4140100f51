#include "stages/align/flow.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <utility>

namespace petavox::align {
namespace {

std::int16_t quantised(double v, double units) {
  return static_cast<std::int16_t>(std::clamp(std::floor(v * units + 0.5), -32767.0, 32767.0));
}

double median(std::array<double, 9>& values, std::size_t n) {
  std::sort(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n));
  return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

template <class Sum>
void flow_by(const Array& placed, const FlowSettings& s, Array& out) {
  const Box& nodes = out.box();
  const auto view = out.view<std::int16_t>();
  BlockMatcher<Sum> matcher{s.match, nodes};
  const Box region = matcher.region();
  const Index first = placed.domain().begin.z, reach = s.links.back();
  // Of the last sections, as far as links reach: each is prepared once.
  std::deque<SectionTile<Sum>> tiles;
  for (Index z = std::max(first, nodes.begin.z - reach); z < nodes.end.z; ++z) {
    SectionTile<Sum> tile;
    if (static_cast<Index>(tiles.size()) > reach) {
      tile = std::move(tiles.front());
      tiles.pop_front();
    }
    tile.read(placed, z, region);
    tiles.push_back(std::move(tile));
    if (z < nodes.begin.z) continue;
    for (std::size_t k = 0; k < s.links.size(); ++k) {
      const bool there = z - s.links[k] >= first;
      const std::vector<Match>* matches =
          there ? &matcher.match(tiles.back(), tiles[tiles.size() - 1 - static_cast<std::size_t>(s.links[k])])
                : nullptr;
      const int c = static_cast<int>(k) * flow_channels;
      std::size_t i = 0;
      Box{{z, nodes.begin.y, nodes.begin.x}, {z + 1, nodes.end.y, nodes.end.x}}.for_each([&](Coord at) {
        const Match match = there ? (*matches)[i++] : Match{};
        view.at(c, at) = quantised(match.dy, flow_units_per_px);
        view.at(c + 1, at) = quantised(match.dx, flow_units_per_px);
        view.at(c + 2, at) = quantised(match.peak, quality_units);
        view.at(c + 3, at) = quantised(match.ratio, quality_units);
        view.at(c + 4, at) = quantised(match.sharpness, quality_units);
        view.at(c + 5, at) = static_cast<std::int16_t>(match.state);
        view.at(c + 6, at) = quantised(match.share, quality_units);
      });
    }
  }
}

}  // namespace

Index flow_halo(const FlowSettings& s) { return s.match.reach(); }

double flow_scratch_bytes_per_voxel(const FlowSettings& s, Index sections, Index edge) {
  const MatchSettings& m = s.match;
  const auto reach = static_cast<double>(s.links.back());
  const auto pixels = static_cast<double>(edge * m.spacing + 2 * m.reach());
  constexpr double tile = 60;  // planes, pairs and integral images of 16 bits
  return (tile * (reach + 1) +
          static_cast<double>(BlockMatcher<double>::bytes(m, edge)) / (pixels * pixels)) /
         (static_cast<double>(sections) + reach);
}

void flow_of(const Array& placed, const FlowSettings& s, Array& out) {
  if (sums_fit(s.match, placed.dtype()))
    flow_by<std::int32_t>(placed, s, out);
  else
    flow_by<double>(placed, s, out);
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
      // The variance of the peak's place falls with the correlation, and with the number of pixels.
      const double peak = std::clamp(in.at(c + 2, p) / quality_units, 0.0, 1.0);
      const double weight = peak * in.at(c + 6, p) / quality_units;
      target.at(to + 2, p) = good ? quantised(weight, weight_units) : std::int16_t{0};
      target.at(to + 3, p) = static_cast<std::int16_t>(state);
    });
  }
}

}  // namespace petavox::align
