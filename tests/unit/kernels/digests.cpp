// Digests of what the vectorised kernels make of fixed input: the same on every machine (arm64.sh compares
// two).

#include "petavox/base/hash.hpp"
#include "petavox/base/simd.hpp"

#include "stages/boundary/kernel.hpp"
#include "stages/region_graph/region_graph.hpp"
#include "stages/watershed/kernel.hpp"

#include <cstdio>
#include <span>

namespace petavox {
namespace {

template <class T>
void print(const char* what, std::span<const T> values) {
  std::uint64_t digest = 0;
  for (const T value : values) digest = mix64(digest ^ static_cast<std::uint64_t>(value));
  std::printf("%s %016llx\n", what, static_cast<unsigned long long>(digest));
}

void print_all() {
  const Box domain{{0, 0, 0}, {37, 61, 203}};
  Array raw{DType::u8, domain};
  const auto grey = raw.view<std::uint8_t>();
  domain.for_each([&](Coord p) {
    const auto noise = mix64(static_cast<std::uint64_t>(domain.raster(p))) >> 57;
    const bool membrane = p.z % 13 == 0 || p.y % 17 == 0 || (p.x + p.z) % 19 == 0;
    grey[p] = static_cast<std::uint8_t>((membrane ? 20 : 120) + noise);
  });
  const boundary::Settings settings;
  Array affinities{DType::u8, domain, 3};
  boundary::affinities_of(raw, affinities.view<std::uint8_t>(), settings,
                          boundary::filters_of(settings, {10, 10, 10}));
  print<std::uint8_t>("boundary", affinities.view<std::uint8_t>().channel(2));
  LabelArray labels{Array{DType::u32, domain}, {}};
  watershed::fragments_of(affinities, std::nullopt, {26, 250}, labels);
  print<std::uint32_t>("watershed", labels.ids.view<std::uint32_t>().channel());
  region_graph::Builder builder{labels, domain, domain};
  builder.add(affinities);
  std::vector<std::uint64_t> values;
  for (const region_graph::Edge& e : builder.edges())
    for (const std::uint64_t value : {e.u, e.v, e.sum, e.count, e.key}) values.push_back(value);
  std::printf("contacts %zu\n", values.size() / 5);
  print<std::uint64_t>("region_graph", values);
}

}  // namespace
}  // namespace petavox

int main() {
  petavox::print_all();
  for (const std::string& path : petavox::simd::paths()) std::fprintf(stderr, "path %s\n", path.c_str());
  return 0;
}
