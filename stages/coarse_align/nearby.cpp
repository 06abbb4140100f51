#include "stages/coarse_align/nearby.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace petavox::coarse_align {
namespace {

constexpr Index search_extent = 96;                        // pixels of the larger image in the search
constexpr double reach = 0.25;                             // of the larger image
constexpr std::array degrees{-6, -4, -2, 0, 2, 4, 6};      // turned by
constexpr double min_correlation = 0.2, min_margin = 0.1;  // over what is alike elsewhere
constexpr Index apart = 4;                                 // pixels of the search: elsewhere
constexpr double min_share = 0.5;  // of the moving part that must lie on the fixed one
constexpr float levels = 16;       // of a standard deviation

/// What correlations need of an image: v, its square, and where it is, rows contiguous; 0 where it is not.
struct Coarse {
  Index height, width;
  std::vector<std::int16_t> value, square, held;
  Coarse(Index h, Index w)
      : height{h},
        width{w},
        value(static_cast<std::size_t>(h * w)),
        square(value.size()),
        held(value.size()) {}
  std::size_t index(Index y, Index x) const { return static_cast<std::size_t>(y * width + x); }
  void put(Index y, Index x, float v) {
    const auto level = static_cast<std::int16_t>(std::floor(v * levels + 0.5F));
    value[index(y, x)] = level;
    square[index(y, x)] = static_cast<std::int16_t>(level * level);  // deviations are at most 3
    held[index(y, x)] = 1;
  }
};

/// Means over factor x factor pixels, where more than half of them are inside.
struct Reduced {
  Plane image, inside;
  Reduced(const Part& part, Index factor)
      : image{ceil_div(part.image.height, factor), ceil_div(part.image.width, factor)},
        inside{image.height, image.width} {
    for (Index y = 0; y < part.image.height; ++y)
      for (Index x = 0; x < part.image.width; ++x)
        if (part.inside.at(y, x) > 0) {
          image.at(y / factor, x / factor) += part.image.at(y, x);
          inside.at(y / factor, x / factor) += 1;
        }
    for (std::size_t i = 0; i < image.values.size(); ++i) {
      const float count = inside.values[i];
      const bool held = 2 * count > static_cast<float>(factor * factor);
      image.values[i] = held ? image.values[i] / count : 0;
      inside.values[i] = held ? 1 : 0;
    }
  }
};

Coarse coarse_of(const Reduced& from, const Affine& back) {
  Coarse out{from.image.height, from.image.width};
  for (Index y = 0; y < out.height; ++y)
    for (Index x = 0; x < out.width; ++x) {
      const auto fy = static_cast<double>(y), fx = static_cast<double>(x);
      const double sy = back.y(fy, fx), sx = back.x(fy, fx);
      const float held = sample(from.inside, sy, sx);
      if (held > 0.5F) out.put(y, x, sample(from.image, sy, sx) / held);
    }
  return out;
}

/// Turned about the middle of the image.
Affine turned(const Plane& image, double angle) {
  const Direction d = direction_of(angle < 0 ? angle + 2 * std::numbers::pi : angle);
  Affine t;
  t.yy = t.xx = d.cosine;
  t.yx = d.sine;
  t.xy = -d.sine;
  const double y = 0.5 * static_cast<double>(image.height - 1),
               x = 0.5 * static_cast<double>(image.width - 1);
  t.y0 = y - (t.yy * y + t.yx * x);
  t.x0 = x - (t.xy * y + t.xx * x);
  return t;
}

std::int32_t dot(const std::int16_t* a, const std::int16_t* b, Index n) {
  std::int32_t sum = 0;
  for (Index i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// Of `fixed` and `moving` laid (dy, dx) further, where both are; -1 if that is too little.
double correlation(const Coarse& fixed, const Coarse& moving, Index dy, Index dx, double least) {
  const Index y0 = std::max<Index>(0, dy), y1 = std::min(fixed.height, moving.height + dy);
  const Index x0 = std::max<Index>(0, dx), count = std::min(fixed.width, moving.width + dx) - x0;
  if (count <= 0) return -1;
  std::int64_t n = 0, f = 0, ff = 0, m = 0, mm = 0, fm = 0;
  for (Index y = y0; y < y1; ++y) {
    const std::size_t i = fixed.index(y, x0), j = moving.index(y - dy, x0 - dx);
    n += dot(&fixed.held[i], &moving.held[j], count);
    f += dot(&fixed.value[i], &moving.held[j], count);
    ff += dot(&fixed.square[i], &moving.held[j], count);
    m += dot(&fixed.held[i], &moving.value[j], count);
    mm += dot(&fixed.held[i], &moving.square[j], count);
    fm += dot(&fixed.value[i], &moving.value[j], count);
  }
  const std::int64_t of_f = n * ff - f * f, of_m = n * mm - m * m;
  if (static_cast<double>(n) < least || of_f <= 0 || of_m <= 0) return -1;
  return static_cast<double>(n * fm - f * m) /
         (std::sqrt(static_cast<double>(of_f)) * std::sqrt(static_cast<double>(of_m)));
}

struct Place {
  double correlation;
  Index dy, dx;
  std::size_t turn;
};

}  // namespace

std::optional<Affine> nearby(const Part& fixed_full, const Part& moving_full, const Affine& start) {
  const Index extent = std::max(
      {fixed_full.image.height, fixed_full.image.width, moving_full.image.height, moving_full.image.width});
  const Index factor = ceil_div(extent, search_extent);
  const Reduced fixed{fixed_full, factor}, moving{moving_full, factor};
  const Coarse target = coarse_of(fixed, {});
  const auto far = static_cast<Index>(reach * static_cast<double>(ceil_div(extent, factor)));
  const auto to_search = [&](double shift) {
    return static_cast<Index>(std::floor(shift / static_cast<double>(factor) + 0.5));
  };
  const Index y0 = to_search(start.y0), x0 = to_search(start.x0);
  std::vector<Place> places;
  for (std::size_t turn = 0; turn < degrees.size(); ++turn) {
    const Affine onto = turned(moving.image, degrees[turn] * std::numbers::pi / 180);
    const Coarse part = coarse_of(moving, onto.inverse());
    const auto all = static_cast<double>(std::ranges::count(part.held, std::int16_t{1}));
    for (Index dy = -far; dy <= far; ++dy)
      for (Index dx = -far; dx <= far; ++dx)
        places.push_back(
            {correlation(target, part, y0 + dy, x0 + dx, std::max(16.0, min_share * all)), dy, dx, turn});
  }
  const Place best = *std::ranges::max_element(places, {}, &Place::correlation);
  double elsewhere = 0;
  for (const Place& p : places) {
    const Index dy = p.dy - best.dy, dx = p.dx - best.dx;
    if (dy * dy + dx * dx > apart * apart) elsewhere = std::max(elsewhere, p.correlation);
  }
  if (best.correlation < min_correlation || best.correlation < elsewhere + min_margin) return std::nullopt;
  Affine pose = turned(moving.image, degrees[best.turn] * std::numbers::pi / 180);
  pose.y0 += static_cast<double>(y0 + best.dy);
  pose.x0 += static_cast<double>(x0 + best.dx);
  Affine enlarge;
  enlarge.yy = enlarge.xx = static_cast<double>(factor);
  enlarge.y0 = enlarge.x0 = 0.5 * static_cast<double>(factor - 1);
  return enlarge.after(pose.after(enlarge.inverse()));
}

}  // namespace petavox::coarse_align
