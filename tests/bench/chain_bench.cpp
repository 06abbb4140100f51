// From affinities to segments in one block, stage by stage, in one thread: what each kernel costs in CPU time
// and memory.
//
//   chain_bench EDGE|FILE [--rounds N] [--write DIR]
//
// EDGE: an EM-like volume of EDGE^3 voxels (em_like.hpp). FILE: uint8 affinities "ZxYxX" in the name's end,
// e.g. affinities_250x250x250.raw, three channels. --write: leaves affinities, fragments and segments in DIR
// as raw arrays, for other programs. Figures are medians of N rounds (5).

#include "bench_clock.hpp"
#include "em_like.hpp"
#include "peak_memory.hpp"
#include "segment_chain.hpp"

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
  std::vector<double> unfiltered;
  double all_contacts = 0;
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
    const std::size_t fragments = labels.names.size();
    Graph graph;
    timed("region graph", voxels / 1e6, "Mvoxels/s", [&] { graph = graph_of(labels, affinities); });
    const double contacts = static_cast<double>(graph.edges.size());
    if (round == 0 && !dir.empty()) {
      for (int k = 0; k < 3; ++k)
        write_raw<std::uint8_t>(dir + "/affinities.raw", affinities.view<std::uint8_t>().channel(k), k > 0);
      write_raw<std::uint32_t>(dir + "/fragments.raw", labels.ids.view<std::uint32_t>().channel(0));
    }
    // Not part of the chain: linkage of all fragments, as a measure of its speed.
    std::size_t merges = 0;
    {
      const double begin = cpu_seconds();
      const auto outcome = linked(graph, agglomerate::one_billion / 2, domain);
      unfiltered.push_back(cpu_seconds() - begin);
      for (const auto& fate : outcome.fates) merges += fate.name != fate.to ? 1 : 0;
    }
    timed("size merge", contacts / 1e6, "Mcontacts/s",
          [&] { rename(labels, small_merged(graph, 600, domain)); });
    timed("renumber", voxels / 1e6, "Mvoxels/s", [&] { renumber(labels); });
    timed("region graph 2", voxels / 1e6, "Mvoxels/s", [&] { graph = graph_of(labels, affinities); });
    timed("linkage", static_cast<double>(graph.edges.size()) / 1e6, "Mcontacts/s",
          [&] { rename(labels, assignments_of(linked(graph, agglomerate::one_billion / 2, domain))); });
    timed("names", voxels / 1e6, "Mvoxels/s", [&] { expanded(labels); });
    if (round == 0)
      std::printf(
          "%s: %zu fragments (one per %.0f voxels), %.0f contacts, %zu joins without size merge; peak %.1f "
          "B/voxel\n",
          to_string(domain).c_str(), fragments, voxels / static_cast<double>(fragments), contacts, merges,
          peak_mib() * 1048576 / voxels);
    all_contacts = contacts;
  }
  std::printf("linkage of all fragments: %.3f s, %.2f Mcontacts/s\n", median(unfiltered),
              all_contacts / 1e6 / median(unfiltered));
  double total = 0;
  for (const auto& lap : laps.laps) {
    const double seconds = median(lap.seconds);
    total += seconds;
    std::printf("%-15s %8.3f s %8.2f %s\n", lap.name, seconds, lap.work / seconds, lap.unit);
  }
  std::printf("%-15s %8.3f s %8.2f Mvoxels/s\n", "together", total, voxels / 1e6 / total);
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
  bench::keep_pages_as_petavox();
  const Index edge = std::atoi(argv[1]);
  const Array affinities =
      edge > 0 ? bench::EmLike::affinities(Box{{0, 0, 0}, {edge, edge, edge}}) : bench::read_raw(argv[1]);
  bench::chain(affinities, rounds, dir);
  return 0;
}
