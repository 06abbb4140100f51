// How fast shards are written and read, and how fast a file of another program is read.
//   volumes_bench                      shards of an EM-like and a label-like volume, by codec
//   volumes_bench FILE DATASET [REPEATS]  reads the dataset in blocks of 64^3, then as one box
//   (built with -DPETAVOX_BENCHMARKS=ON)
// Prints MB/s of voxels (not of stored bytes) by CPU time. Nothing is asserted.

#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/shard_set.hpp"
#include "petavox/io/shard_writer.hpp"
#include "petavox/volume/memory_volume.hpp"

#include "bench/bench_clock.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include <unistd.h>

namespace petavox {
namespace {

double seconds(const std::function<void()>& work) { return bench::least_cpu_seconds(1, work); }

double megabytes(const Volume& v) {
  return 1e-6 * static_cast<double>(v.domain().voxels()) * static_cast<double>(size_of(v.dtype())) *
         v.channels();
}

constexpr Index side = 256;

// Cells of a jittered grid, each with an id of its own; EM: dark cell edges and noise.
MemoryVolume sample(DType type) {
  MemoryVolume volume{type, Box::from({}, Extent::cube(side))};
  visit_dtype(type, [&]<class T>(std::type_identity<T>) {
    const auto view = volume.array().view<T>();
    volume.domain().for_each([&](Coord p) {
      const auto wave = [](Index a, Index b) {
        return static_cast<Index>(8 * std::sin(static_cast<double>(a) / 17) +
                                  6 * std::cos(static_cast<double>(b) / 11));
      };
      const Coord q{p.z + wave(p.y, p.x), p.y + wave(p.x, p.z), p.x + wave(p.z, p.y)};
      const Coord cell{floor_div(q.z, 40), floor_div(q.y, 40), floor_div(q.x, 40)};
      const std::uint64_t id =
          mix64(static_cast<std::uint64_t>((cell.z * 1000 + cell.y) * 1000 + cell.x)) >> 34;
      if constexpr (sizeof(T) == 1) {
        const auto raster = static_cast<std::uint64_t>(volume.domain().raster(p));
        const Index edge = std::min({q.z - cell.z * 40, q.y - cell.y * 40, q.x - cell.x * 40});
        view[p] = static_cast<T>((edge < 3 ? 60 : 150) + static_cast<Index>(mix64(raster) % 40));
      } else {
        view[p] = static_cast<T>(id);
      }
    });
  });
  return volume;
}

void bench_shards() {
  const auto directory =
      std::filesystem::temp_directory_path() / ("petavox_bench_" + std::to_string(::getpid()));
  std::filesystem::create_directory(directory);
  std::printf("%-8s %-20s %8s %12s %12s %12s\n", "type", "codec", "ratio", "write MB/s", "read MB/s",
              "verify MB/s");
  for (const DType type : {DType::u8, DType::u64}) {
    const MemoryVolume volume = sample(type);
    for (const auto& [codec, level] :
         {std::pair{"none", 0}, {"lz4", 5}, {"zstd", 1}, {"zstd", 3}, {"gzip", 1}}) {
      ShardSpec spec;
      spec.layout = default_shard_layout(volume.domain(), type);
      spec.dtype = type;
      spec.codec = parse_hdf5_codec(codec, level, "none");
      ShardResult result;
      const double write = seconds([&] { result = write_shard(spec, 0, volume, directory, 0, 0); });
      const ShardSetVolume set{spec, directory, {result.record}, 0};
      const double read = seconds([&] { set.read_box(set.domain()); });
      const double verify = seconds([&] { set.verify(0); });
      const double size = megabytes(volume);
      std::printf("%-8s %-20s %8.2f %12.0f %12.0f %12.0f\n", name_of(type), to_string(spec.codec).c_str(),
                  1e6 * size / static_cast<double>(result.record.bytes), size / write, size / read,
                  size / verify);
      std::filesystem::remove(directory / result.record.file);
    }
  }
  std::filesystem::remove_all(directory);
}

void bench_file(const char* file, const char* dataset, int repeats) {
  for (int i = 0; i < repeats; ++i) {
    const auto volume = open_hdf5_volume(file, dataset);
    const Tiling blocks{volume->domain(), Extent::cube(64)};
    const double in_blocks = seconds([&] {
      for (Index b = 0; b < blocks.count(); ++b) volume->read_box(blocks.core(b));
    });
    const auto fresh = open_hdf5_volume(file, dataset);
    const double whole = seconds([&] { fresh->read_box(fresh->domain()); });
    std::printf("%s %s: in blocks %.0f MB/s, whole %.0f MB/s\n", file, dataset,
                megabytes(*volume) / in_blocks, megabytes(*volume) / whole);
  }
}

}  // namespace
}  // namespace petavox

int main(int argc, char** argv) {
  try {
    if (argc >= 3)
      petavox::bench_file(argv[1], argv[2], argc > 3 ? std::max(1, std::atoi(argv[3])) : 1);
    else
      petavox::bench_shards();
    return 0;
  } catch (const petavox::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(petavox::exit_code_of(error.code()));
  }
}
