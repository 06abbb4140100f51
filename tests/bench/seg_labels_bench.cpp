// Speed of what makes and joins labels: the kernels of watershed and components, and the joining of names.
// One thread; figures are per CPU second, beside the memcpy of the same process.
//
//   seg_labels_bench [EDGE]     edge of the cube in voxels, 192 by default
//
// Data: cells of about 24 voxels across with blurred membranes and noisy uint8 affinities, saturated inside.

#include "petavox/reduce/join_names.hpp"
#include "petavox/reduce/name_union.hpp"
#include "petavox/testing/random_inputs.hpp"

#include "stages/components/kernel.hpp"
#include "stages/watershed/kernel.hpp"

#include "bench_clock.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace petavox::bench {
namespace {

struct Cells {
  Array labels, affinities;
};

Cells make_cells(Index edge) {
  constexpr Index pitch = 24;
  const Box domain = Box::from({0, 0, 0}, Extent::cube(edge));
  Cells cells{Array{DType::u64, domain}, Array{DType::u8, domain, 3}};
  testing::Random random{3};
  const auto centre = [](Coord cell, int axis) {
    const std::uint64_t bits = mix64(
        mix64(static_cast<std::uint64_t>(cell.z) * 3 +
              mix64(static_cast<std::uint64_t>(cell.y) * 5 + mix64(static_cast<std::uint64_t>(cell.x)))) +
        static_cast<std::uint64_t>(axis));
    return static_cast<double>(cell[axis]) * pitch + static_cast<double>(bits % 1000) / 1000 * pitch;
  };
  const auto labels = cells.labels.view<std::uint64_t>();
  const auto affinities = cells.affinities.view<std::uint8_t>();
  domain.for_each([&](Coord p) {
    double first = 1e9, second = 1e9;
    const Coord at{p.z / pitch, p.y / pitch, p.x / pitch};
    Box::from(at - Extent::cube(1), Extent::cube(3)).for_each([&](Coord cell) {
      double square = 0;
      for (int k = 0; k < 3; ++k) {
        const double d = centre(cell, k) - static_cast<double>(p[k]);
        square += d * d;
      }
      const double distance = std::sqrt(square);
      if (distance < first) {
        second = std::exchange(first, distance);
        labels[p] =
            1 + (static_cast<std::uint64_t>(cell.z + 1) << 40 | static_cast<std::uint64_t>(cell.y + 1) << 20 |
                 static_cast<std::uint64_t>(cell.x + 1));
      } else {
        second = std::min(second, distance);
      }
    });
    for (int c = 0; c < 3; ++c) {
      const double inside = 255 / (1 + std::exp(-2 * (second - first - 2)));
      affinities.at(c, p) = static_cast<std::uint8_t>(
          std::clamp(inside + static_cast<double>(random.below(12)) - 6, 0.0, 255.0));
    }
  });
  return cells;
}

void kernels(Index edge) {
  const Cells cells = make_cells(edge);
  const double mega = static_cast<double>(edge * edge * edge) / 1e6;
  LabelArray fragments{Array{DType::u32, cells.labels.box()}, {}};
  const double ws = least_cpu_seconds(5, [&] {
    watershed::fragments_of(cells.affinities, std::nullopt, {26, 250}, fragments);
  });
  std::printf("watershed u8                 %8.1f Mvoxel/s  %zu fragments\n", mega / ws,
              fragments.names.size());
  const Array noise = testing::random_image(DType::u8, cells.labels.box(), 3, testing::Texture::uniform, 4);
  const double ws_noise = least_cpu_seconds(3, [&] {
    watershed::fragments_of(noise, std::nullopt, {26, 250}, fragments);
  });
  std::printf("watershed u8, random         %8.1f Mvoxel/s  %zu fragments\n", mega / ws_noise,
              fragments.names.size());
  for (const int connectivity : {6, 26}) {
    const double cc = least_cpu_seconds(
        5, [&] { components::fragments_of(cells.labels, std::nullopt, {}, connectivity, fragments); });
    std::printf("components u64, %2d neighbours %7.1f Mvoxel/s  %zu components\n", connectivity, mega / cc,
                fragments.names.size());
  }
}

void name_union() {
  testing::Random random{3};
  for (const std::size_t names : {std::size_t{100000}, std::size_t{1000000}})
    for (const bool sorted : {false, true}) {
      std::vector<NamePair> pairs;
      for (std::size_t i = 0; i < 8 * names; ++i) {
        const Name a = 1 + random.below(names) * 1000;
        pairs.push_back({a, a + 1000 * random.below(30)});
      }
      if (sorted) std::ranges::sort(pairs);
      const double seconds = least_cpu_seconds(3, [&] {
        NameUnion sets{names};
        sets.unite(pairs);
      });
      std::printf("name union, %7zu names, %s %7.1f M pairs/s\n", names, sorted ? "sorted  " : "unsorted",
                  static_cast<double>(pairs.size()) / seconds / 1e6);
    }
}

/// Two boxes that meet in a face of edge x edge fragments, each joined with its opposite. Fragments begin
/// `depth` voxels apart from the face at most, so that their order is that of the face for 1 only.
void join_names(Index edge, Index depth, std::size_t memory_bytes) {
  constexpr Index pitch = 20;
  NodeContext node;
  node.domain = {{0, 0, 0}, {2 + 2 * depth, pitch * edge, pitch * edge}};
  node.box = {{1, 0, 0}, {1 + 2 * depth, pitch * edge, pitch * edge}};
  node.memory_bytes = memory_bytes;
  Box low = node.box, high = node.box;
  low.end.z = high.begin.z = 1 + depth;
  const JoinNames names;
  const auto name_of = [&](const Box& box, Index y, Index x) {
    const auto place = static_cast<std::uint64_t>((box.begin.z * edge + y) * edge + x);
    const auto z = static_cast<Index>(mix64(place) % static_cast<std::uint64_t>(depth));
    return name_of_voxel(node.domain, {box.begin.z + z, y * pitch, x * pitch});
  };
  const auto leaf = [&](const Box& box, const ReductionContext& context) {
    std::vector<JoinNames::Fragment> fragments;
    std::vector<JoinNames::Pair> pairs;
    for (Index y = 0; y < edge; ++y)
      for (Index x = 0; x < edge; ++x) {
        const Name name = name_of(box, y, x);
        fragments.push_back({name, all_faces});
        if (box == high) pairs.push_back({name, name_of(low, y, x)});
      }
    return JoinNames::leaf_state(fragments, pairs, context.at(box));
  };
  double seconds = 1e9;
  std::size_t state = 0, held = 0, most = 0, spilled = 0;
  for (int round = 0; round < 3; ++round) {
    const ReductionContext context{node};
    JoinNames::State a = leaf(low, context), b = leaf(high, context), joined;
    seconds = std::min(seconds, least_cpu_seconds(1, [&] {
                         NameChanges changes{context.pool};
                         joined = names.merge(std::move(a), std::move(b),
                                              Join{low, high, node.box, node.domain}, context, changes);
                         names.settle(joined, context, changes);
                         held = context.pool->held_bytes();
                         most = context.pool->most_held_bytes();
                         spilled = context.pool->spilled_bytes();
                       }));
    state = joined.roots.bytes() + joined.members.bytes() + joined.pending.bytes();
  }
  const double fragments = 2.0 * static_cast<double>(edge * edge);
  const auto each = [&](std::size_t bytes) { return static_cast<double>(bytes) / fragments; };
  std::printf(
      "join names, %s, budget %5.0f MiB %6.1f M fragments/s; bytes a fragment: state %.1f, with renamings "
      "%.1f "
      "in memory and %.1f in files, at most %.1f in memory\n",
      depth == 1 ? "in order " : "scattered", static_cast<double>(memory_bytes) / 1048576,
      fragments / seconds / 1e6, each(state), each(held), each(spilled), each(most));
}

void memcpy_speed() {
  std::vector<char> from(std::size_t{256} << 20, 1), to(from.size(), 2);
  const double seconds = least_cpu_seconds(3, [&] { std::memcpy(to.data(), from.data(), from.size()); });
  std::printf("memcpy                       %8.1f GB/s\n", static_cast<double>(from.size()) / seconds / 1e9);
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  using namespace petavox::bench;
  memcpy_speed();
  kernels(argc > 1 ? std::atoi(argv[1]) : 192);
  name_union();
  for (const petavox::Index depth : {1, 256})
    for (const std::size_t memory_bytes : {std::size_t{1} << 30, std::size_t{0}})
      join_names(1024, depth, memory_bytes);
  return 0;
}
