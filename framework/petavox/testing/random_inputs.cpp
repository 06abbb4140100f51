#include "petavox/testing/random_inputs.hpp"

#include <cstdlib>
#include <limits>

namespace petavox::testing {
namespace {

/// Random corner values on a coarse lattice, repeated: lumps of a few voxels.
std::uint64_t lump(Coord p, std::uint64_t seed) {
  const auto key = [](Index v) { return static_cast<std::uint64_t>(floor_div(v, 3)); };
  return mix64(seed ^ mix64(key(p.z) * 3 + mix64(key(p.y) * 5 + mix64(key(p.x)))));
}

template <class T>
T scaled(double fraction) {
  if constexpr (std::is_same_v<T, float>) {
    return static_cast<float>(fraction);
  } else {
    constexpr auto low = static_cast<double>(std::numeric_limits<T>::min());
    constexpr auto high = static_cast<double>(std::numeric_limits<T>::max());
    if (fraction >= 1) return std::numeric_limits<T>::max();
    return static_cast<T>(low + fraction * (high - low));
  }
}

}  // namespace

Array random_image(DType type, const Box& domain, int channels, Texture texture, std::uint64_t seed) {
  Array image{type, domain, channels};
  Random random{seed};
  const auto fraction = [](std::uint64_t bits) { return static_cast<double>(bits >> 40) / 16777215.0; };
  const double first = fraction(random.next()), second = fraction(random.next());
  visit_dtype(type, [&]<class T>(std::type_identity<T>) {
    const auto view = image.view<T>();
    for (int c = 0; c < channels; ++c)
      domain.for_each([&](Coord p) {
        const std::uint64_t bits = random.next();
        double value = first;
        if (texture == Texture::two_values && bits % 2 == 0) value = second;
        if (texture == Texture::few_values) value = static_cast<double>(bits % 5) / 4;
        if (texture == Texture::uniform) value = fraction(bits);
        if (texture == Texture::smooth)
          value = (3 * fraction(lump(p, seed + static_cast<std::uint64_t>(c))) + fraction(bits)) / 4;
        view.at(c, p) = scaled<T>(value);
      });
  });
  return image;
}

Array ragged_image(const Box& domain, std::uint64_t seed) {
  Array image = random_image(DType::u8, domain, 1, Texture::uniform, seed);
  const auto view = image.view<std::uint8_t>();
  domain.for_each([&](Coord p) {
    view[p] = std::max<std::uint8_t>(view[p], 1);
    const Index rim = domain.begin.x + 4 + (p.z * 5 + p.y * 3) % 7;
    const std::uint64_t dice = mix64(seed + static_cast<std::uint64_t>(domain.raster(p)));
    if (p.x < rim || p.z == domain.begin.z + 2 || dice % 11 == 0) view[p] = 0;
  });
  return image;
}

Array random_labels(const Box& domain, std::uint64_t num_seeds, std::uint64_t seed) {
  Random random{seed};
  std::vector<Coord> seeds;
  for (std::uint64_t i = 0; i < num_seeds + 1; ++i)
    seeds.push_back(domain.at(static_cast<Index>(random.below(static_cast<std::uint64_t>(domain.voxels())))));
  Array values{DType::u64, domain};
  const auto view = values.view<std::uint64_t>();
  domain.for_each([&](Coord p) {
    Index best = std::numeric_limits<Index>::max();
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      const Extent d = p - seeds[i];
      const Index distance = std::abs(d.z) + std::abs(d.y) + std::abs(d.x);
      if (distance < best) {
        best = distance;
        view[p] = i;  // seed 0 is background
      }
    }
    if (random.below(12) == 0) view[p] = 0;
  });
  return naive_components(values, 6);
}

Array random_mask(const Box& domain, std::uint64_t seed) {
  Array mask{DType::u8, domain};
  const auto view = mask.view<std::uint8_t>();
  domain.for_each([&](Coord p) { view[p] = lump(p, seed) % 4 != 0; });
  return mask;
}

Array naive_components(const Array& values, int connectivity) {
  const Box domain = values.box();
  const auto value = values.view<std::uint64_t>();
  Array names{DType::u64, domain};
  const auto name = names.view<std::uint64_t>();
  const int max_steps = connectivity == 6 ? 1 : connectivity == 18 ? 2 : 3;
  std::vector<Coord> front;
  domain.for_each([&](Coord start) {
    if (value[start] == 0 || name[start] != 0) return;
    name[start] = name_of_voxel(values.domain(), start);
    front.assign(1, start);
    while (!front.empty()) {
      const Coord p = front.back();
      front.pop_back();
      for (Index dz = -1; dz <= 1; ++dz)
        for (Index dy = -1; dy <= 1; ++dy)
          for (Index dx = -1; dx <= 1; ++dx) {
            const Coord q{p.z + dz, p.y + dy, p.x + dx};
            if (std::abs(dz) + std::abs(dy) + std::abs(dx) > max_steps || !domain.contains(q)) continue;
            if (value[q] != value[start] || name[q] != 0) continue;
            name[q] = name[start];
            front.push_back(q);
          }
    }
  });
  return names;
}

}  // namespace petavox::testing
