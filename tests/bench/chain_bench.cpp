// From affinities to segments in one block, stage by stage, in one thread: what each kernel costs in CPU time
// and memory.
//
//   chain_bench EDGE|FILE [--rounds N] [--write DIR]
//
// EDGE: an EM-like volume of EDGE^3 voxels (em_like.hpp). FILE: uint8 affinities "ZxYxX" in the name's end,
// e.g. affinities_250x250x250.raw, three channels. --write: leaves affinities, fragments and segments in DIR
// as raw arrays, for other programs. Figures are medians of N rounds (5).

#include "stages/agglomerate/linkage.hpp"
#include "stages/watershed/kernel.hpp"

#include "bench_clock.hpp"
#include "em_like.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <sys/resource.h>

namespace petavox::bench {
namespace {

Array read_raw(const std::string& path) {
  const auto from = path.find_last_of('_');
  long z = 0, y = 0, x = 0;
  if (from == std::string::npos || std::sscanf(path.c_str() + from, "_%ldx%ldx%ld", &z, &y, &x) != 3 ||
      z < 1 || y < 1 || x < 1) {
    std::fprintf(stderr, "the name must end in _ZxYxX.raw\n");
    std::exit(2);
  }
  Array array{DType::u8, Box{{0, 0, 0}, {z, y, x}}, 3};
  std::ifstream file{path, std::ios::binary};
  auto bytes = array.view<std::uint8_t>();
  for (int k = 0; k < 3; ++k) {
    auto channel = bytes.channel(k);
    file.read(reinterpret_cast<char*>(channel.data()), static_cast<std::streamsize>(channel.size()));
  }
  if (!file) {
    std::fprintf(stderr, "%s is too short\n", path.c_str());
    std::exit(2);
  }
  return array;
}

template <class T>
void write_raw(const std::string& path, std::span<const T> values, bool more = false) {
  std::ofstream file{path, more ? std::ios::binary | std::ios::app : std::ios::binary};
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
}

double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

struct Laps {
  void add(const char* name, double seconds, double work, const char* unit) {
    for (auto& lap : laps)
      if (std::strcmp(lap.name, name) == 0) return lap.seconds.push_back(seconds);
    laps.push_back({name, {seconds}, work, unit});
  }
  struct Lap {
    const char* name;
    std::vector<double> seconds;
    double work;
    const char* unit;
  };
  std::vector<Lap> laps;
};

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

void chain(const Array& affinities, int rounds, const std::string& dir) {
  const Box domain = affinities.box();
  const double voxels = static_cast<double>(domain.voxels());
  Laps laps;
  for (int round = 0; round < rounds; ++round) {
    const auto timed = [&](const char* name, double work, const char* unit, auto&& f) {
      const double begin = cpu_seconds();
      f();
      laps.add(name, cpu_seconds() - begin, work, unit);
    };
    LabelArray labels{Array{DType::u32, domain}, {}};
    timed("watershed", voxels / 1e6, "Mvoxels/s", [&] {
      watershed::fragments_of(affinities, std::nullopt, {26, 250}, labels);
    });
    std::vector<region_graph::Edge> edges;
    std::vector<region_graph::Node> nodes;
    timed("region graph", voxels / 1e6, "Mvoxels/s", [&] {
      region_graph::Builder builder{labels, domain, domain};
      builder.add(affinities);
      edges = builder.edges();
      nodes = builder.nodes();
    });
    const double graph_peak = peak_mib();
    const std::size_t num_edges = edges.size();
    const ReductionContext context{NodeContext{domain, domain, {1, 1, 1}, std::size_t{1} << 40}};
    std::size_t merges = 0;
    timed("agglomerate", static_cast<double>(num_edges) / 1e6, "Medges/s", [&] {
      agglomerate::ContactGraph graph = agglomerate::graph_of_block(edges, nodes, context);
      const auto outcome = agglomerate::link(std::move(graph), agglomerate::MergeRule{}, context);
      for (const auto& fate : outcome.fates) merges += fate.name != fate.to ? 1 : 0;
    });
    if (round == 0) {
      std::printf(
          "%s: %zu fragments (one per %.0f voxels), %zu contacts, %zu merges; peak %.1f B/voxel to the "
          "region "
          "graph, %.1f to the end\n",
          to_string(domain).c_str(), labels.names.size(), voxels / static_cast<double>(labels.names.size()),
          num_edges, merges, graph_peak * 1048576 / voxels, peak_mib() * 1048576 / voxels);
      if (!dir.empty()) {
        for (int k = 0; k < 3; ++k)
          write_raw<std::uint8_t>(dir + "/affinities.raw", affinities.view<std::uint8_t>().channel(k), k > 0);
        write_raw<std::uint32_t>(dir + "/fragments.raw", labels.ids.view<std::uint32_t>().channel(0));
      }
    }
  }
  double total = 0;
  for (const auto& lap : laps.laps) {
    const double seconds = median(lap.seconds);
    total += seconds;
    std::printf("%-14s %8.3f s %8.2f %s\n", lap.name, seconds, lap.work / seconds, lap.unit);
  }
  std::printf("%-14s %8.3f s %8.2f Mvoxels/s\n", "together", total, voxels / 1e6 / total);
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  using namespace petavox;
  if (argc < 2) return std::fprintf(stderr, "usage: chain_bench EDGE|FILE [--rounds N] [--write DIR]\n"), 2;
  int rounds = 5;
  std::string dir;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--write") == 0) dir = argv[i + 1];
  }
  const Index edge = std::atoi(argv[1]);
  const Array affinities =
      edge > 0 ? bench::EmLike::affinities(Box{{0, 0, 0}, {edge, edge, edge}}) : bench::read_raw(argv[1]);
  bench::chain(affinities, rounds, dir);
  return 0;
}
