#include "stages/tiles/mosaic.hpp"

#include "stages/tiles/positions.hpp"

#include <algorithm>

namespace petavox::tiles {
namespace {

constexpr Index reach = 2;                   // pixels that interpolation reads round a place
constexpr float beneath = 1.0F / (1 << 14);  // weight of a tile of bad quality against a good one

struct Placed {
  Index slot = 0;
  TileState state = TileState::absent;
  double y = 0, x = 0, gain = 1;
  std::array<double, nodes * nodes> bend_y{}, bend_x{};
  std::array<double, cells * cells> flat{};
  double most_bend = 0;
  Rect rect;
};

Placed placed(const Section& section, FieldView fields, Index slot) {
  const Coord at{section.z(), fields.box().begin.y + slot, fields.box().begin.x};
  const auto field = [&](int channel, double units) { return fields.at(channel, at) / units; };
  Placed tile;
  tile.slot = slot;
  tile.state = static_cast<TileState>(fields.at(position_field::state, at));
  tile.y = field(position_field::y, units_per_px);
  tile.x = field(position_field::x, units_per_px);
  tile.gain = field(position_field::gain, units_per_one);
  tile.rect = section.rect(slot);
  for (int n = 0; n < nodes * nodes; ++n) {
    const auto i = static_cast<std::size_t>(n);
    tile.bend_y[i] = field(position_field::first_node + 2 * n, units_per_px);
    tile.bend_x[i] = field(position_field::first_node + 2 * n + 1, units_per_px);
    tile.most_bend = std::max({tile.most_bend, std::abs(tile.bend_y[i]), std::abs(tile.bend_x[i])});
  }
  for (int c = 0; c < cells * cells; ++c)
    tile.flat[static_cast<std::size_t>(c)] = field(position_field::first_flat + c, units_per_one);
  return tile;
}

/// Between the middles of the cells, constant beyond them.
double flat_at(const Placed& tile, double y, double x) {
  const auto along = [](double v, Index extent, std::size_t& low, double& t) {
    const double place = std::clamp(v / static_cast<double>(extent) * cells - 0.5, 0.0, cells - 1.0);
    low = std::min(static_cast<std::size_t>(place), static_cast<std::size_t>(cells - 2));
    t = place - static_cast<double>(low);
  };
  std::size_t j = 0, i = 0;
  double t = 0, s = 0;
  along(y, tile.rect.y1, j, t);
  along(x, tile.rect.x1, i, s);
  const double* const f = &tile.flat[j * cells + i];
  return (1 - t) * ((1 - s) * f[0] + s * f[1]) + t * ((1 - s) * f[cells] + s * f[cells + 1]);
}

/// Distance to the nearest pixel without content or the tile's edge, by steps of 3 and 4 thirds (Borgefors
/// 1986, CVGIP 34:344), in thirds of a pixel, at most `most`. Exact where the piece reaches `most` thirds
/// round.
std::vector<std::int32_t> depth_of(const Piece& piece, const Rect& tile, std::int32_t most) {
  const Index h = piece.values.height, w = piece.values.width;
  std::vector<std::int32_t> depth(static_cast<std::size_t>(h * w));
  const auto at = [&](Index y, Index x) -> std::int32_t {
    if (y < 0 || x < 0 || y >= h || x >= w) {
      const Index ty = piece.rect.y0 + y, tx = piece.rect.x0 + x;
      return ty < tile.y0 || tx < tile.x0 || ty >= tile.y1 || tx >= tile.x1 ? 0 : most;
    }
    return depth[static_cast<std::size_t>(y * w + x)];
  };
  for (Index y = 0; y < h; ++y)
    for (Index x = 0; x < w; ++x)
      depth[static_cast<std::size_t>(y * w + x)] =
          piece.inside.at(y, x) > 0 ? std::min({most, at(y, x - 1) + 3, at(y - 1, x) + 3,
                                                at(y - 1, x - 1) + 4, at(y - 1, x + 1) + 4})
                                    : 0;
  for (Index y = h - 1; y >= 0; --y)
    for (Index x = w - 1; x >= 0; --x) {
      std::int32_t& d = depth[static_cast<std::size_t>(y * w + x)];
      d = std::min({d, at(y, x + 1) + 3, at(y + 1, x) + 3, at(y + 1, x + 1) + 4, at(y + 1, x - 1) + 4});
    }
  return depth;
}

/// Cubic convolution (Keys 1981, a = -1/2) of four values.
struct Cubic {
  float w[4];
  explicit Cubic(float t) {
    const float t2 = t * t, t3 = t2 * t;
    w[0] = 0.5F * (-t3 + 2 * t2 - t);
    w[1] = 0.5F * (3 * t3 - 5 * t2 + 2);
    w[2] = 0.5F * (-3 * t3 + 4 * t2 + t);
    w[3] = 0.5F * (t3 - t2);
  }
};

/// The value at (y, x) of the piece's planes. Pixels without content or outside take the value of `nearest`.
float interpolated(const Piece& piece, double y, double x, float nearest) {
  const double fy = std::floor(y), fx = std::floor(x);
  const Cubic cy{static_cast<float>(y - fy)}, cx{static_cast<float>(x - fx)};
  const Index y0 = static_cast<Index>(fy) - 1, x0 = static_cast<Index>(fx) - 1;
  float sum = 0;
  for (Index j = 0; j < 4; ++j) {
    float row = 0;
    for (Index i = 0; i < 4; ++i) {
      const Index py = y0 + j, px = x0 + i;
      const bool there = py >= 0 && px >= 0 && py < piece.values.height && px < piece.values.width &&
                         piece.inside.at(py, px) > 0;
      row += cx.w[i] * (there ? piece.values.at(py, px) : nearest);
    }
    sum += cy.w[j] * row;
  }
  return sum;
}

/// Sums of weights and of weighted values over a box of the canvas.
struct Blend {
  Plane weights, values;
};

void blend(const Section& section, const Placed& tile, const Settings& settings, const Box& box, Blend& out) {
  const auto most = static_cast<std::int32_t>(3 * settings.feather_px);
  // The part of the tile that the box shows, and what its weights depend on.
  const auto bend = static_cast<Index>(tile.most_bend) + 1;
  const auto low = [](Index v, double place) {
    return static_cast<Index>(std::floor(static_cast<double>(v) - place));
  };
  const Rect shown = Rect{low(box.begin.y, tile.y), low(box.begin.x, tile.x), low(box.end.y, tile.y) + 1,
                          low(box.end.x, tile.x) + 1}
                         .grown(bend + reach)
                         .meet(tile.rect);
  if (shown.empty()) return;
  const Piece piece = section.piece(tile.slot, shown.grown(settings.feather_px + 1).meet(tile.rect));
  const std::vector<std::int32_t> depth = depth_of(piece, tile.rect, most);
  const float quality = tile.state == TileState::good ? 1.0F : beneath;
  for (Index y = box.begin.y; y < box.end.y; ++y)
    for (Index x = box.begin.x; x < box.end.x; ++x) {
      const double ty = static_cast<double>(y) - tile.y, tx = static_cast<double>(x) - tile.x;
      double qy = ty, qx = tx;
      if (tile.most_bend > 0)
        for (int round = 0; round < 2; ++round) {
          const NodeWeights n = node_weights(qy, qx, tile.rect.y1, tile.rect.x1);
          double by = 0, bx = 0;
          for (std::size_t k = 0; k < 4; ++k) {
            by += n.weight[k] * tile.bend_y[n.node[k]];
            bx += n.weight[k] * tile.bend_x[n.node[k]];
          }
          qy = ty - by;
          qx = tx - bx;
        }
      const auto ny = static_cast<Index>(std::floor(qy + 0.5)), nx = static_cast<Index>(std::floor(qx + 0.5));
      if (ny < shown.y0 || nx < shown.x0 || ny >= shown.y1 || nx >= shown.x1) continue;
      const Index py = ny - piece.rect.y0, px = nx - piece.rect.x0;
      const std::int32_t d = depth[static_cast<std::size_t>(py * piece.values.width + px)];
      if (d == 0) continue;
      const float weight = quality * static_cast<float>(d) / static_cast<float>(most);
      float value = interpolated(piece, qy - static_cast<double>(piece.rect.y0),
                                 qx - static_cast<double>(piece.rect.x0), piece.values.at(py, px));
      if (settings.even_light) value *= static_cast<float>(tile.gain / flat_at(tile, qy, qx));
      out.weights.at(y - box.begin.y, x - box.begin.x) += weight;
      out.values.at(y - box.begin.y, x - box.begin.x) += weight * value;
    }
}

void render_box(const Section& section, const std::vector<Placed>& tiles, const Settings& settings,
                const Box& box, View<std::uint8_t> out) {
  const Extent shape = box.shape();
  Blend sums{Plane{shape.y, shape.x}, Plane{shape.y, shape.x}};
  for (const Placed& tile : tiles) blend(section, tile, settings, box, sums);
  for (Index y = box.begin.y; y < box.end.y; ++y)
    for (Index x = box.begin.x; x < box.end.x; ++x) {
      const float weight = sums.weights.at(y - box.begin.y, x - box.begin.x);
      if (!(weight > 0)) continue;
      const float value = sums.values.at(y - box.begin.y, x - box.begin.x) / weight;
      out[{box.begin.z, y, x}] =
          static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5F), 1.0F, 255.0F));
    }
}

}  // namespace

void render_section(const Section& section, FieldView positions, const Settings& settings,
                    View<std::uint8_t> out) {
  std::vector<Placed> tiles;
  for (Index slot = 0; slot < section.slots(); ++slot) {
    Placed tile = placed(section, positions, slot);
    if (usable(tile.state)) tiles.push_back(tile);
  }
  // In parts, so that what is read of a tile at once is bounded whatever the block.
  constexpr Index part = 1024;
  const Box all = out.box();
  for (Index y = all.begin.y; y < all.end.y; y += part)
    for (Index x = all.begin.x; x < all.end.x; x += part)
      render_box(
          section, tiles, settings,
          {{all.begin.z, y, x}, {all.end.z, std::min(all.end.y, y + part), std::min(all.end.x, x + part)}},
          out);
}

}  // namespace petavox::tiles
