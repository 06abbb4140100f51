// Our kernels for tests/bench/peers/run.py, which feeds them and their peers the same arrays in turn.
//
//   peer_kernels KERNEL OUT.npy [key=value…] [INPUT.npy…]
//
// Prints a line `ready`; then for each line read, runs the kernel once and prints its CPU seconds and the
// peak of its resident memory in the first round in bytes, result included. The first result is written to
// OUT.npy.

#include "petavox/base/simd.hpp"

#include "bench_clock.hpp"
#include "npy.hpp"
#include "ours.hpp"
#include "peak_memory.hpp"

#include <cstdio>
#include <iostream>
#include <optional>

namespace {

int run(int argc, char** argv) {
  using namespace petavox::bench;
  petavox::simd::use_path_of_environment();
  keep_pages_as_petavox();
  Kernels kernels;
  add_distance(kernels);
  add_inputs(kernels);
  add_labels(kernels);
  add_linkage(kernels);
  add_mutex_watershed(kernels);
  add_watershed(kernels);
  if (argc < 3 || !kernels.contains(argv[1])) {
    std::fprintf(stderr, "usage: peer_kernels KERNEL OUT.npy [key=value…] [INPUT.npy…]; kernels:");
    for (const auto& [name, make] : kernels) std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  Request request;
  for (int i = 3; i < argc; ++i) {
    const std::string word = argv[i];
    if (const auto equals = word.find('='); equals != std::string::npos)
      request.options[word.substr(0, equals)] = word.substr(equals + 1);
    else
      request.inputs.push_back(read_npy(word));
  }
  const Kernel kernel = kernels.at(argv[1])(request);
  std::printf("ready\n");
  std::fflush(stdout);
  // Of the first round, in which no pages are kept from the one before.
  std::optional<std::uint64_t> bytes;
  for (std::string line; std::getline(std::cin, line);) {
    std::optional<PeakMemory> memory;
    if (!bytes) memory.emplace();
    const double begin = cpu_seconds();
    const petavox::Array result = kernel();
    const double seconds = cpu_seconds() - begin;
    if (memory) {
      bytes = memory->bytes();
      write_npy(argv[2], result);
    }
    std::printf("%.9f %llu\n", seconds, static_cast<unsigned long long>(*bytes));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "peer_kernels: %s\n", e.what());
    return 1;
  }
}
