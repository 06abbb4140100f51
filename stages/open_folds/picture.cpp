#include "stages/open_folds/picture.hpp"

#include <algorithm>

namespace petavox::open_folds {
namespace {

/// Along one axis, then along the other: 1 where any (or, for `all`, every) pixel within `radius` is 1.
Mask within(const Mask& mask, Index radius, bool all) {
  Mask rows{mask.height, mask.width}, out = rows;
  std::vector<Index> seen;
  const auto line = [&](Index n, const auto& from, const auto& to) {
    seen.assign(static_cast<std::size_t>(n) + 1, 0);
    for (Index i = 0; i < n; ++i)
      seen[static_cast<std::size_t>(i) + 1] = seen[static_cast<std::size_t>(i)] + (from(i) != 0 ? 1 : 0);
    for (Index i = 0; i < n; ++i) {
      const Index low = std::max<Index>(0, i - radius), high = std::min(n, i + radius + 1);
      const Index count = seen[static_cast<std::size_t>(high)] - seen[static_cast<std::size_t>(low)];
      to(i) = (all ? count == 2 * radius + 1 : count > 0) ? 1 : 0;
    }
  };
  for (Index y = 0; y < mask.height; ++y)
    line(
        mask.width, [&](Index x) { return mask.at(y, x); },
        [&](Index x) -> std::uint8_t& { return rows.at(y, x); });
  for (Index x = 0; x < mask.width; ++x)
    line(
        mask.height, [&](Index y) { return rows.at(y, x); },
        [&](Index y) -> std::uint8_t& { return out.at(y, x); });
  return out;
}

}  // namespace

Index Part::length_squared() const {
  const auto square = [](Index low, Index high) { return (high - low + 1) * (high - low + 1); };
  return std::max({square(min_y, max_y), square(min_x, max_x), square(min_sum, max_sum) / 2,
                   square(min_less, max_less) / 2});
}

std::vector<Part> parts_of(const Mask& mask, bool corners) {
  std::vector<Part> parts;
  Mask seen{mask.height, mask.width};
  for (std::size_t first = 0; first < mask.values.size(); ++first) {
    if (mask.values[first] == 0 || seen.values[first] != 0) continue;
    Part part;
    part.pixels.push_back(first);
    seen.values[first] = 1;
    bool started = false;
    for (std::size_t next = 0; next < part.pixels.size(); ++next) {
      const auto at = static_cast<Index>(part.pixels[next]);
      const Index y = at / mask.width, x = at % mask.width;
      const auto stretch = [&](Index& low, Index& high, Index v) {
        low = started ? std::min(low, v) : v;
        high = started ? std::max(high, v) : v;
      };
      stretch(part.min_y, part.max_y, y);
      stretch(part.min_x, part.max_x, x);
      stretch(part.min_sum, part.max_sum, y + x);
      stretch(part.min_less, part.max_less, y - x);
      started = true;
      for (Index dy = -1; dy <= 1; ++dy)
        for (Index dx = -1; dx <= 1; ++dx) {
          if ((dy == 0 && dx == 0) || (!corners && dy != 0 && dx != 0) || !mask.inside(y + dy, x + dx))
            continue;
          const std::size_t other = mask.index(y + dy, x + dx);
          if (mask.values[other] == 0 || seen.values[other] != 0) continue;
          seen.values[other] = 1;
          part.pixels.push_back(other);
        }
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

Mask grown(const Mask& mask, Index radius) { return within(mask, radius, false); }
Mask shrunk(const Mask& mask, Index radius) { return within(mask, radius, true); }

}  // namespace petavox::open_folds
