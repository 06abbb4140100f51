// Kernels of the stages on volumes as they come out of microscopes and pipelines, one thread.
//
//   kernel_bench DIR [options of Google Benchmark]
//
// DIR holds NAME_labels.npy (uint64), NAME_raw.npy (uint8), NAME_affinities.npy (uint8, three channels), as
// tests/bench/peers/run.py makes them. PETAVOX_SIMD=baseline|sse4|avx2|… chooses the instructions. Columns:
//   Mvoxel     million voxels a CPU second
//   of_limit   share of what the memory gives: the time that the bytes which must be read and written would
//              take (memcpy and a sum, measured first), over the time taken
//   bytes      a voxel that must be read and written
//   B/voxel    peak of the resident memory besides input and output

#include "petavox/base/simd.hpp"

#include "stages/boundary/kernel.hpp"
#include "stages/components/kernel.hpp"
#include "stages/downsample/kernel.hpp"
#include "stages/normalize/kernel.hpp"
#include "stages/score/contingency.hpp"
#include "stages/stitch/kernel.hpp"
#include "stages/watershed/kernel.hpp"

#include "machine_limit.hpp"
#include "npy.hpp"
#include "peak_memory.hpp"

#include <cstdio>
#include <filesystem>
#include <functional>

#include <benchmark/benchmark.h>

namespace petavox::bench {
namespace {

MachineLimit limit;

/// Bytes a voxel that a kernel must read and must write.
struct Traffic {
  double read = 0, written = 0;
};

/// `work` makes its result anew each time and returns it.
template <class Work>
void measure(benchmark::State& state, double voxels, Traffic bytes, const Work& work) {
  std::uint64_t peak = 0;
  {
    const PeakMemory memory;
    benchmark::DoNotOptimize(work());
    peak = memory.bytes();
  }
  const double begin = cpu_seconds();
  for (auto _ : state) benchmark::DoNotOptimize(work());
  const double seconds = (cpu_seconds() - begin) / static_cast<double>(state.iterations());
  state.counters["Mvoxel"] = voxels / seconds / 1e6;
  state.counters["bytes"] = bytes.read + bytes.written;
  state.counters["of_limit"] = limit.seconds(bytes.read * voxels, bytes.written * voxels) / seconds;
  state.counters["B/voxel"] = std::max(0.0, static_cast<double>(peak) / voxels - bytes.written);
}

using Input = std::shared_ptr<const Array>;

void add(const std::string& name, const std::function<void(benchmark::State&)>& run) {
  benchmark::RegisterBenchmark(name.c_str(), [run](benchmark::State& state) { run(state); })
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.5);
}

void add_labels(const std::string& name, const Input& labels) {
  const double voxels = static_cast<double>(labels->box().voxels());
  const auto compact = std::make_shared<const LabelArray>(compacted(*labels));
  for (const int connectivity : {6, 26})
    add("components/" + std::to_string(connectivity) + "/" + name, [=](benchmark::State& state) {
      measure(state, voxels, {8, 4}, [&] {
        LabelArray fragments{Array{DType::u32, labels->box()}, {}};
        components::fragments_of(*labels, std::nullopt, {}, connectivity, fragments);
        return fragments.names.size();
      });
    });
  add("relabel/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {4, 8}, [&] { return expanded(*compact).bytes().size(); });
  });
  add("compact/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {8, 4}, [&] { return compacted(*labels).names.size(); });
  });
  const Box coarse = Box::from(
      {0, 0, 0}, {labels->box().shape().z / 2, labels->box().shape().y / 2, labels->box().shape().x / 2});
  add("downsample_labels/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {4, 0.5}, [&] {
      LabelArray out{Array{DType::u32, coarse}, {}};
      downsample::mode_of(*compact, out, {2, 2, 2});
      return out.names.size();
    });
  });
  add("score/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {12, 0}, [&] {
      return score::count_box(*compact, *labels, nullptr, nullptr, labels->box(), {}).cells.size();
    });
  });
  add("stitch/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {8, 0},
            [&] { return stitch::count_overlap(*compact, *compact, labels->box()).contacts.size(); });
  });
}

void add_affinities(const std::string& name, const Input& affinities) {
  add("watershed/" + name, [=](benchmark::State& state) {
    measure(state, static_cast<double>(affinities->box().voxels()), {3, 4}, [&] {
      LabelArray fragments{Array{DType::u32, affinities->box()}, {}};
      watershed::fragments_of(*affinities, std::nullopt, watershed::thresholds_of(0.1, 0.98, DType::u8),
                              fragments);
      return fragments.names.size();
    });
  });
}

void add_raw(const std::string& name, const Input& raw) {
  const double voxels = static_cast<double>(raw->box().voxels());
  add("boundary/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {1, 3}, [&] {
      const boundary::Settings settings;
      Array out{DType::u8, raw->box(), 3};
      boundary::affinities_of(*raw, out.view<std::uint8_t>(), settings,
                              boundary::filters_of(settings, {10, 10, 10}));
      return out.bytes().size();
    });
  });
  add("normalize/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {2, 1}, [&] {
      Array out{DType::u8, raw->box()};
      normalize::normalised(*raw, out.view<std::uint8_t>(), {});
      return out.bytes().size();
    });
  });
  const Box coarse =
      Box::from({0, 0, 0}, {raw->box().shape().z / 2, raw->box().shape().y / 2, raw->box().shape().x / 2});
  add("downsample_mean/" + name, [=](benchmark::State& state) {
    measure(state, voxels, {1, 0.125}, [&] {
      Array out{DType::u8, coarse};
      downsample::mean_of(*raw, out, {2, 2, 2});
      return out.bytes().size();
    });
  });
}

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: kernel_bench DIR [options of Google Benchmark]\n");
    return 2;
  }
  simd::use_path_of_environment();
  keep_pages_as_petavox();
  limit = measured_limit();
  std::printf("vector path %s; memcpy %.1f GB/s, sum %.1f GB/s\n", simd::path().c_str(),
              limit.copied_bytes_per_s / 1e9, limit.read_bytes_per_s / 1e9);
  benchmark::AddCustomContext("vector_path", simd::path());
  benchmark::AddCustomContext("memcpy_bytes_per_s", std::to_string(limit.copied_bytes_per_s));
  benchmark::AddCustomContext("read_bytes_per_s", std::to_string(limit.read_bytes_per_s));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{argv[1]}) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const std::string stem = file.stem();
    const auto split = stem.rfind('_');
    if (file.extension() != ".npy" || split == std::string::npos) continue;
    const std::string name = stem.substr(0, split), kind = stem.substr(split + 1);
    const auto read = [&] { return std::make_shared<const Array>(read_npy(file)); };
    if (kind == "labels") add_labels(name, read());
    if (kind == "affinities") add_affinities(name, read());
    if (kind == "raw") add_raw(name, read());
  }
  argv[1] = argv[0];
  int rest = argc - 1;
  benchmark::Initialize(&rest, argv + 1);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  try {
    return petavox::bench::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "kernel_bench: %s\n", e.what());
    return 1;
  }
}
