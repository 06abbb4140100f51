#pragma once
// Affinities with the statistics of a network's output on electron microscopy, for benchmarks: neurites as
// tubes about 17 voxels across that wander along z; saturated inside, blurred and noisy at membranes; false
// membranes here and there, and faint ones across a neurite every 27 sections. A function of the voxel alone,
// so any two programs can be given the same.

#include "petavox/base/hash.hpp"
#include "petavox/volume/array.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace petavox::bench {

class EmLike {
 public:
  /// uint8, channels z, y, x: channel k at v belongs to the edge (v, v-1 on axis k).
  static Array affinities(const Box& domain) {
    Array array{DType::u8, domain, 3};
    const auto view = array.view<std::uint8_t>();
    for (Index z = domain.begin.z; z < domain.end.z; ++z) {
      const Sites sites{z, domain};
      for (Index y = domain.begin.y; y < domain.end.y; ++y)
        for (Index x = domain.begin.x; x < domain.end.x; ++x) {
          const float inside = sites.inside(z, y, x);
          const auto bits = mix64(static_cast<std::uint64_t>(z) << 42 ^ static_cast<std::uint64_t>(y) << 21 ^
                                  static_cast<std::uint64_t>(x));
          for (int k = 0; k < 3; ++k) {
            const float noise = static_cast<float>(bits >> (20 * k) & 0xfffff) / 1048576.0F - 0.5F;
            const float a = inside + noise * (0.03F + 0.3F * inside * (1 - inside));
            view.at(k, {z, y, x}) = static_cast<std::uint8_t>(std::clamp(a * 272, 0.0F, 255.0F));
          }
        }
    }
    return array;
  }

 private:
  static constexpr Index pitch = 17, cut = 27;

  static std::uint64_t hash(Index i, Index j, std::uint64_t salt) {
    return mix64(mix64(static_cast<std::uint64_t>(i) + salt) + static_cast<std::uint64_t>(j));
  }
  static float fraction(std::uint64_t bits) { return static_cast<float>(bits >> 40) / 16777216.0F; }

  /// Where the tubes run through one section.
  struct Sites {
    struct Site {
      float y, x;
      std::uint64_t id;
    };
    Sites(Index z, const Box& domain) : low_y{domain.begin.y / pitch - 2}, low_x{domain.begin.x / pitch - 2} {
      columns = domain.end.x / pitch + 3 - low_x;
      const Index rows = domain.end.y / pitch + 3 - low_y;
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < columns; ++j) {
          const std::uint64_t id = hash(low_y + i, low_x + j, 17);
          const auto wander = [&](int shift) {
            const std::uint64_t bits = mix64(id + static_cast<std::uint64_t>(shift));
            const float phase = fraction(bits) * 6.2832F, speed = 0.02F + 0.06F * fraction(mix64(bits));
            return std::sin(phase + speed * static_cast<float>(z)) * 4 + fraction(mix64(bits + 1)) * 11;
          };
          sites.push_back({static_cast<float>((low_y + i) * pitch) + wander(0),
                           static_cast<float>((low_x + j) * pitch) + wander(1), id});
        }
    }
    /// 1 inside a neurite, 0 on its membrane.
    float inside(Index z, Index y, Index x) const {
      float first = 1e9F, second = 1e9F;
      std::uint64_t id = 0;
      const Index i = y / pitch - low_y, j = x / pitch - low_x;
      for (Index di = -2; di <= 1; ++di)
        for (Index dj = -2; dj <= 1; ++dj) {
          const Site& s = sites[static_cast<std::size_t>((i + di + 0) * columns + j + dj)];
          const float dy = s.y - static_cast<float>(y), dx = s.x - static_cast<float>(x);
          const float d = std::sqrt(dy * dy + dx * dx);
          if (d < first) {
            second = first;
            first = d;
            id = s.id;
          } else {
            second = std::min(second, d);
          }
        }
      const float edge = (second - first) * 0.5F;
      float value = 1 / (1 + std::exp(-3.5F * (edge - 1.0F)));
      // A faint membrane across this neurite every `cut` sections.
      const auto phase = static_cast<Index>(id % cut);
      const Index from_cut = std::min((z + phase) % cut, cut - (z + phase) % cut);
      if (from_cut <= 1) value *= from_cut == 0 ? 0.55F : 0.8F;
      // A false membrane in one of 64 stretches.
      if (mix64(id + static_cast<std::uint64_t>(z / 9)) % 64 == 0 && (y + x) % 23 < 2) value *= 0.7F;
      return value;
    }
    Index low_y, low_x, columns;
    std::vector<Site> sites;
  };
};

}  // namespace petavox::bench
