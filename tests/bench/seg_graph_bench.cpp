// Region graph and agglomeration of one block, on synthetic affinities: saturated inside lumps of about 16
// voxels, noisy between them, so that watershed leaves many fragments. Prints voxels and contacts a second.

#include "petavox/base/hash.hpp"

#include "stages/agglomerate/linkage.hpp"
#include "stages/score/contingency.hpp"
#include "stages/watershed/kernel.hpp"

#include <benchmark/benchmark.h>

namespace petavox {
namespace {

constexpr Index side = 256;
const Box domain{{0, 0, 0}, {side, side, side}};

double corner(Coord p) {
  const auto u = [](Index v) { return static_cast<std::uint64_t>(v); };
  return static_cast<double>(mix64(u(p.z) * 73856093 + u(p.y) * 19349663 + u(p.x) * 83492791) >> 40) /
         16777216.0;
}

/// Trilinear noise with a period of 16 voxels.
double lumps(Coord p) {
  const Coord c{p.z / 16, p.y / 16, p.x / 16};
  double sum = 0;
  for (Index i = 0; i < 8; ++i) {
    const Coord q{c.z + (i >> 2), c.y + (i >> 1 & 1), c.x + (i & 1)};
    const auto weight = [](Index at, Index node) {
      const double f = static_cast<double>(at - node * 16) / 16;
      return f < 0 ? 1 + f : 1 - f;
    };
    sum += corner(q) * weight(p.z, q.z) * weight(p.y, q.y) * weight(p.x, q.x);
  }
  return sum;
}

const Array& affinities() {
  static const Array array = [] {
    Array a{DType::u8, domain, 3};
    const auto view = a.view<std::uint8_t>();
    domain.for_each([&](Coord p) {
      const double base = (lumps(p) - 0.5) * 900 + 330;
      for (int c = 0; c < 3; ++c) {
        const double noise =
            static_cast<double>(mix64(static_cast<std::uint64_t>(3 * domain.raster(p) + c)) >> 56) * 0.12;
        view.at(c, p) = static_cast<std::uint8_t>(std::clamp(base - noise, 0.0, 255.0));
      }
    });
    return a;
  }();
  return array;
}

const LabelArray& supervoxels() {
  static const LabelArray labels = [] {
    LabelArray fragments{Array{DType::u32, domain}, {}};
    watershed::fragments_of(affinities(), std::nullopt, {10, 250}, fragments);
    return fragments;
  }();
  return labels;
}

const region_graph::Builder& built() {
  static const region_graph::Builder builder = [] {
    region_graph::Builder b{supervoxels(), domain, domain};
    b.add(affinities());
    return b;
  }();
  return builder;
}

void region_graph_of_block(benchmark::State& state) {
  std::size_t edges = 0;
  supervoxels();
  for (auto _ : state) {
    region_graph::Builder builder{supervoxels(), domain, domain};
    builder.add(affinities());
    edges = builder.edges().size();
    benchmark::DoNotOptimize(builder.nodes());
  }
  state.counters["voxels/s"] =
      benchmark::Counter(static_cast<double>(domain.voxels()), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["edges"] = static_cast<double>(edges);
  state.counters["supervoxels"] = static_cast<double>(supervoxels().names.size());
}
BENCHMARK(region_graph_of_block)->Unit(benchmark::kMillisecond);

/// `percent`: threshold. The whole volume at once.
void agglomerate_block(benchmark::State& state) {
  const auto edges = built().edges();
  const auto nodes = built().nodes();
  agglomerate::MergeRule rule;
  rule.threshold = static_cast<agglomerate::Billionths>(state.range(0)) * agglomerate::one_billion / 100;
  std::size_t merges = 0;
  for (auto _ : state) {
    const ReductionContext context{NodeContext{domain, domain, {1, 1, 1}, std::size_t{1} << 40}};
    const auto outcome = agglomerate::link(agglomerate::graph_of_block(edges, nodes, context), rule, context);
    merges = 0;
    for (const auto& fate : outcome.fates) merges += fate.name != fate.to ? 1 : 0;
  }
  state.counters["edges/s"] =
      benchmark::Counter(static_cast<double>(edges.size()), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["merges"] = static_cast<double>(merges);
}
BENCHMARK(agglomerate_block)->Arg(30)->Arg(50)->Arg(80)->Unit(benchmark::kMillisecond);

void score_block(benchmark::State& state) {
  const LabelArray& labels = supervoxels();
  Array truth{DType::u32, domain};
  domain.for_each([&](Coord p) {
    truth.view<std::uint32_t>()[p] = static_cast<std::uint32_t>(p.z / 40 * 100 + p.y / 40 * 10 + p.x / 40);
  });
  for (auto _ : state)
    benchmark::DoNotOptimize(score::count_box(labels, truth, nullptr, nullptr, domain, score::Counting{}));
  state.counters["voxels/s"] =
      benchmark::Counter(static_cast<double>(domain.voxels()), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(score_block)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace petavox
