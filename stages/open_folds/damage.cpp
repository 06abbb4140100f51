#include "stages/open_folds/damage.hpp"

#include <algorithm>
#include <utility>

namespace petavox::open_folds {
namespace {

constexpr Index rim = 3;         // the edge of a fold is neither
constexpr Index beside = 1;      // pixels by which what a bar marks grows into what looks like it
constexpr Index blur = 2;        // half the width of what a pixel looks like
constexpr Index directions = 8;  // of each octant
constexpr Index parts_of_grey = 16;
constexpr Index shortest = 96;  // what is shorter may be a row of organelles, however small the section

std::uint8_t code(What what) { return static_cast<std::uint8_t>(what); }

// ---------------------------------------------------------------- the section's content and its greys

/// Sums over squares of any place, by an integral image.
class Sums {
 public:
  template <class F>
  Sums(Index height, Index width, const F& value) : sums_(height + 1, width + 1, 0) {
    for (Index y = 0; y < height; ++y) {
      std::int64_t line = 0;
      for (Index x = 0; x < width; ++x) {
        line += value(y, x);
        sums_.at(y + 1, x + 1) = sums_.at(y, x + 1) + line;
      }
    }
  }
  /// Of the pixels within `radius` of a pixel, inside the picture.
  std::int64_t round(Index y, Index x, Index radius) const {
    const Index y0 = std::max<Index>(0, y - radius), y1 = std::min(sums_.height - 1, y + radius + 1);
    const Index x0 = std::max<Index>(0, x - radius), x1 = std::min(sums_.width - 1, x + radius + 1);
    return sums_.at(y1, x1) - sums_.at(y0, x1) - sums_.at(y1, x0) + sums_.at(y0, x0);
  }

 private:
  Grid<std::int64_t> sums_;
};

Sums sums_of(const Mask& mask) {
  return {mask.height, mask.width,
          [&](Index y, Index x) -> std::int64_t { return mask.at(y, x) != 0 ? 1 : 0; }};
}

/// Where more than half of a pixel's surroundings hold something: single black pixels are tissue.
Mask content_of(const Picture& picture) {
  const Mask& holds = picture.holds;
  const Sums inside = sums_of(holds), all{holds.height, holds.width, [](Index, Index) { return 1; }};
  Mask content{holds.height, holds.width};
  for (Index y = 0; y < content.height; ++y)
    for (Index x = 0; x < content.width; ++x)
      content.at(y, x) = 2 * inside.round(y, x, blur) > all.round(y, x, blur) ? 1 : 0;
  return content;
}

struct Greys {
  Index low = 0, middle = 0, high = 0;  ///< of the pixels: what 2 %, 50 % and 98 % lie under
};

Greys greys_of(const Picture& picture, const Mask& content) {
  std::vector<Index> counts(65536, 0);
  Index all = 0;
  for (std::size_t i = 0; i < content.values.size(); ++i)
    if (content.values[i] != 0) {
      ++counts[picture.grey.values[i]];
      ++all;
    }
  const auto quantile = [&](Index percent) {
    Index seen = 0;
    for (std::size_t v = 0; v < counts.size(); ++v) {
      seen += counts[v];
      if (100 * seen > percent * all) return static_cast<Index>(v);
    }
    return Index{0};
  };
  return {quantile(2), quantile(50), quantile(98)};
}

// ---------------------------------------------------------------- bars

/// Marks the pixels of straight bars that are darker, or brighter, than a limit in the mean.
class Bars {
 public:
  /// `grey`: a sixteenth of a grey level, -1 where there is none.
  Bars(const Grid<std::int32_t>& grey, Index length) : grey_{grey}, length_{length} {}

  void mark(Index limit, bool darker, Mask& marked) {
    for (const bool along_x : {true, false})
      for (Index slope = -directions + (along_x ? 0 : 1); slope <= directions - (along_x ? 0 : 1); ++slope)
        mark_direction(along_x, slope, limit, darker, marked);
  }

 private:
  /// Lines that fall by slope / directions a step; shifted copies of one line tile the picture.
  void mark_direction(bool along_x, Index slope, Index limit, bool darker, Mask& marked) {
    const Index run = along_x ? grey_.width : grey_.height, across = along_x ? grey_.height : grey_.width;
    std::vector<Index> fall(static_cast<std::size_t>(run));
    for (Index t = 0; t < run; ++t)
      fall[static_cast<std::size_t>(t)] = floor_div(2 * t * slope + directions, 2 * directions);
    const Index least = std::min<Index>(0, fall.back()), most = std::max<Index>(0, fall.back());
    std::vector<std::size_t> where;
    for (Index start = -most; start < across - least; ++start) {
      where.clear();
      for (Index t = 0; t < run; ++t) {
        const Index s = start + fall[static_cast<std::size_t>(t)];
        if (s < 0 || s >= across) continue;
        where.push_back(along_x ? grey_.index(s, t) : grey_.index(t, s));
      }
      mark_line(where, limit, darker, marked);
    }
  }
  void mark_line(const std::vector<std::size_t>& where, Index limit, bool darker, Mask& marked) {
    const auto length = static_cast<std::size_t>(length_);
    if (where.size() < length) return;
    Index sum = 0, count = 0;
    std::size_t marked_to = 0;
    for (std::size_t i = 0; i < where.size(); ++i) {
      if (const Index v = grey_.values[where[i]]; v >= 0) sum += v, ++count;
      if (i >= length)
        if (const Index v = grey_.values[where[i - length]]; v >= 0) sum -= v, --count;
      // Half of a bar must be tissue.
      if (i + 1 < length || 2 * count < length_) continue;
      if (darker ? sum >= limit * count : sum <= limit * count) continue;
      for (std::size_t j = std::max(marked_to, i + 1 - length); j <= i; ++j) marked.values[where[j]] = 1;
      marked_to = i + 1;
    }
  }

  const Grid<std::int32_t>& grey_;
  Index length_;
};

/// What looks like it: pixels beyond a weaker limit that lie on a bar or beside one.
Mask extent_of(const Grid<std::int32_t>& grey, Index half_width, Index strong, Index weak, bool darker,
               Index length) {
  Mask marked{grey.height, grey.width};
  Bars{grey, length}.mark(strong, darker, marked);
  Mask region = grown(marked, half_width + beside);
  for (std::size_t i = 0; i < region.values.size(); ++i) {
    const Index v = grey.values[i];
    if (v < 0 || (darker ? v >= weak : v <= weak)) region.values[i] = 0;
  }
  // Membranes that lead away from it are thin.
  const Index thin = std::max<Index>(1, half_width / 2);
  return grown(shrunk(region, thin), thin);
}

bool long_and_narrow(const Part& part, Index min_length) {
  constexpr Index slender = 3;
  const Index square = part.length_squared();
  return square >= min_length * min_length && square >= slender * static_cast<Index>(part.pixels.size());
}

void keep_long_ones(const Mask& region, Index min_length, What what, Mask& damage) {
  for (const Part& part : parts_of(region, true))
    if (long_and_narrow(part, min_length))
      for (const std::size_t i : part.pixels)
        if (damage.values[i] == 0) damage.values[i] = code(what);
}

}  // namespace

Mask damage_of(const Picture& picture, const DamageSettings& s) {
  const Index height = picture.grey.height, width = picture.grey.width, side = std::max(height, width);
  const Mask content = content_of(picture);
  Mask damage{height, width};
  const Index min_length = std::max(shortest, static_cast<Index>(s.min_length * static_cast<double>(side)));
  const Greys greys = greys_of(picture, content);
  const Sums values{height, width, [&](Index y, Index x) -> std::int64_t {
                      return content.at(y, x) != 0 ? picture.grey.at(y, x) : 0;
                    }};
  const Sums counts = sums_of(content);
  const Index half_width = std::max(blur, side / 200);
  Grid<std::int32_t> grey{height, width, -1};
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      if (content.at(y, x) != 0)
        grey.at(y, x) = static_cast<std::int32_t>(parts_of_grey * values.round(y, x, half_width) /
                                                  counts.round(y, x, half_width));
  const auto beyond = [&](Index end, double contrast) {
    const auto middle = static_cast<double>(greys.middle);
    return static_cast<Index>(static_cast<double>(parts_of_grey) *
                              (middle + contrast * (static_cast<double>(end) - middle)));
  };
  constexpr double nearly = 0.8;
  for (const bool darker : {true, false}) {
    const Index end = darker ? greys.low : greys.high;
    if (end == greys.middle) continue;
    keep_long_ones(extent_of(grey, half_width, beyond(end, s.contrast), beyond(end, nearly * s.contrast),
                             darker, 2 * min_length / 3),
                   min_length, darker ? What::dark : What::bright, damage);
  }
  const Index gap = std::max<Index>(2, side / 32);
  Mask filled = shrunk(grown(content, gap), gap);
  for (std::size_t i = 0; i < filled.values.size(); ++i)
    if (content.values[i] != 0) filled.values[i] = 0;
  keep_long_ones(filled, min_length, What::empty, damage);
  return damage;
}

void drop_what_goes_on(Mask& damage, const Mask& neighbour) {
  for (const What what : {What::dark, What::bright}) {
    Mask own{damage.height, damage.width}, other = own;
    for (std::size_t i = 0; i < own.values.size(); ++i) {
      own.values[i] = damage.values[i] == code(what) ? 1 : 0;
      other.values[i] = neighbour.values[i] == code(what) ? 1 : 0;
    }
    const Mask near = grown(other, rim);
    for (const Part& part : parts_of(own, true)) {
      const auto shared =
          std::ranges::count_if(part.pixels, [&](std::size_t i) { return near.values[i] != 0; });
      if (2 * static_cast<std::size_t>(shared) > part.pixels.size())
        for (const std::size_t i : part.pixels) damage.values[i] = 0;
    }
  }
}

void drop_what_parts_nothing(const Picture& picture, const DamageSettings& s, Mask& damage) {
  const auto count = [&] { return num_pieces_of(pieces_of(picture, damage, s).values); };
  std::vector<Part> parts = parts_of(damage, true);
  if (parts.empty()) return;
  std::ranges::stable_sort(parts,
                           [](const Part& a, const Part& b) { return a.pixels.size() < b.pixels.size(); });
  int with = count();
  std::vector<std::uint8_t> kinds;
  for (const Part& part : parts) {
    kinds.clear();
    for (const std::size_t i : part.pixels) kinds.push_back(std::exchange(damage.values[i], std::uint8_t{0}));
    if (const int without = count(); without >= with) {
      with = without;
    } else {
      for (std::size_t k = 0; k < kinds.size(); ++k) damage.values[part.pixels[k]] = kinds[k];
    }
  }
}

Mask pieces_of(const Picture& picture, const Mask& damage, const DamageSettings& s) {
  const Mask content = content_of(picture), wide = grown(damage, rim);
  Mask pieces{content.height, content.width}, left = content;
  const bool whole = std::ranges::all_of(damage.values, [](std::uint8_t v) { return v == 0; });
  Index held = 0;
  for (std::size_t i = 0; i < content.values.size(); ++i) {
    held += content.values[i];
    if (whole) {
      pieces.values[i] = content.values[i];
    } else if (wide.values[i] != 0) {
      left.values[i] = 0;
      // The rim is of the kind of what it surrounds; where kinds meet, any will do.
      pieces.values[i] = damage.values[i] != 0 ? damage.values[i] : code(What::scrap);
    }
  }
  if (whole) return pieces;
  std::vector<Part> parts = parts_of(left, false);
  std::ranges::stable_sort(parts,
                           [](const Part& a, const Part& b) { return a.pixels.size() > b.pixels.size(); });
  const double least = s.min_piece * static_cast<double>(held);
  for (std::size_t n = 0; n < parts.size(); ++n) {
    const bool piece = n < most_pieces && static_cast<double>(parts[n].pixels.size()) >= least;
    for (const std::size_t i : parts[n].pixels)
      pieces.values[i] = piece ? static_cast<std::uint8_t>(n + 1) : code(What::scrap);
  }
  return pieces;
}

int num_pieces_of(std::span<const std::uint8_t> pieces) {
  int most = 0;
  for (const std::uint8_t v : pieces)
    if (v <= most_pieces) most = std::max(most, static_cast<int>(v));
  return most;
}

}  // namespace petavox::open_folds
