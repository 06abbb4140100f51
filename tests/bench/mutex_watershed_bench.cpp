// Speed and memory of the mutex watershed of one window, one thread, in CPU seconds.
//
//   mutex_watershed_bench Z Y X OFFSETS STRIDES AFFINITIES.raw [LABELS.raw]
//
// OFFSETS is "dz,dy,dx dz,dy,dx …", STRIDES "sz,sy,sx"; AFFINITIES are uint8, channels slowest; the first
// three attract. LABELS gets uint32. Prints one line of JSON: seconds, megavoxels a second, edges, bytes a
// voxel beyond affinities and labels. The script beside it (peers_mutex_watershed.py) makes the files and
// asks other programs.

#include "stages/mutex_watershed/kernel.hpp"

#include "bench_clock.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

int main(int argc, char** argv) {
  using namespace petavox;
  if (argc < 7) {
    std::fputs("usage: mutex_watershed_bench Z Y X OFFSETS STRIDES AFFINITIES.raw [LABELS.raw]\n", stderr);
    return 2;
  }
  const auto triple = [](const std::string& text) {
    Extent e;
    std::sscanf(text.c_str(), "%ld,%ld,%ld", &e.z, &e.y, &e.x);
    return e;
  };
  const Box domain = Box::from({0, 0, 0}, {std::atol(argv[1]), std::atol(argv[2]), std::atol(argv[3])});
  mutex_watershed::Graph graph;
  std::istringstream list{argv[4]};
  for (std::string text; list >> text;) graph.offsets.push_back(triple(text));
  graph.strides = triple(argv[5]);

  Array affinities{DType::u8, domain, static_cast<int>(graph.offsets.size())};
  std::ifstream file{argv[6], std::ios::binary};
  if (!file.read(reinterpret_cast<char*>(affinities.bytes().data()),
                 static_cast<std::streamsize>(affinities.bytes().size()))) {
    std::fputs("cannot read the affinities\n", stderr);
    return 3;
  }
  LabelArray labels{Array{DType::u32, domain}, {}};
  mutex_watershed::Work work;
  const double seconds = bench::least_cpu_seconds(
      1, [&] { mutex_watershed::segment(affinities, std::nullopt, graph, labels, work); });
  const auto voxels = static_cast<double>(domain.voxels());
  std::printf("{\"cpu_s\": %.3f, \"mvoxel_s\": %.2f, \"segments\": %zu, \"extra_bytes_per_voxel\": %.2f}\n",
              seconds, voxels / 1e6 / seconds, labels.names.size(),
              static_cast<double>(work.peak_bytes) / voxels);
  if (argc > 7) {
    std::ofstream out{argv[7], std::ios::binary};
    out.write(reinterpret_cast<const char*>(labels.ids.bytes().data()),
              static_cast<std::streamsize>(labels.ids.bytes().size()));
  }
  return 0;
}
