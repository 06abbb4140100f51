// Block I/O of compressed labels against bare blosc and the same disk, in one program, on the same voxels:
//   block_io_bench DIR FILE DATASET [SIDE] [ROUNDS]
// writes and reads a block of SIDE^3 (default 192) labels under DIR, ROUNDS (default 5) times in turn:
//   bundle   local ids of a task's result: BundleWriter, PackWriter, sync; BundleReader
//   shard    64-bit names of a final volume: write_shard(); ShardSetVolume
//   bare 32, bare 64   blosc_compress_ctx() on chunks of 64^3, one write of all, fdatasync; one read,
//   blosc_decompress_ctx()
// All with zstd level 1, no shuffle. Prints medians: MB of voxels a second by wall clock and by CPU, and
// bytes on disk. `share` is ours / bare of the same voxel width (above 1: faster than bare). Reads come from
// the page cache. (built with -DPETAVOX_BENCHMARKS=ON)

#include "petavox/io/bundle.hpp"
#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/shard_set.hpp"
#include "petavox/io/shard_writer.hpp"
#include "petavox/volume/memory_volume.hpp"

#include "bench/bench_clock.hpp"
#include "bench/peak_memory.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>

#include <blosc.h>

namespace petavox {
namespace {

constexpr Index chunk_side = 64;

struct Figures {
  std::vector<double> write_wall, write_cpu, read_wall, read_cpu;
  std::uint64_t stored = 0;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

template <class F>
void timed(std::vector<double>& wall, std::vector<double>& cpu, F&& f) {
  const double w = bench::wall_seconds(), c = bench::cpu_seconds();
  f();
  wall.push_back(bench::wall_seconds() - w);
  cpu.push_back(bench::cpu_seconds() - c);
}

void require(bool good, const char* what) {
  if (!good)
    throw Error{ErrorCode::internal, std::string{what} + " (the figures would be worthless); look into it"};
}

/// What is compared with: nothing but chunks, blosc and a file.
template <class T>
class Bare {
 public:
  Bare(const Array& voxels, const OutputRoot& root, std::string name)
      : voxels_{voxels},
        root_{root},
        name_{std::move(name)},
        chunks_{voxels.box(), Extent::cube(chunk_side)} {}

  void write() {
    const auto view = voxels_.view<T>();
    Bytes all;
    std::vector<T> chunk;
    sizes_.clear();
    for (Index i = 0; i < chunks_.count(); ++i) {
      gather(view, chunks_.core(i), chunk);
      const std::size_t bytes = chunk.size() * sizeof(T), at = all.size();
      all.resize(at + bytes + BLOSC_MAX_OVERHEAD);
      const int n = blosc_compress_ctx(1, BLOSC_NOSHUFFLE, sizeof(T), bytes, chunk.data(), all.data() + at,
                                       bytes + BLOSC_MAX_OVERHEAD, "zstd", bytes, 1);
      require(n > 0, "blosc failed");
      all.resize(at + static_cast<std::size_t>(n));
      sizes_.push_back(static_cast<std::size_t>(n));
    }
    root_.remove(name_);
    File file = root_.create_new(name_);
    file.write_all_at(all, 0);
    file.sync_data();
    stored_ = all.size();
  }
  void read(Array& into) const {
    const File file = root_.open_for_reading(name_);
    Bytes all(stored_);
    file.read_exact_at(all, 0);
    std::size_t at = 0;
    std::vector<T> chunk;
    const auto view = into.view<T>();
    for (Index i = 0; i < chunks_.count(); ++i) {
      const Box box = chunks_.core(i);
      chunk.resize(static_cast<std::size_t>(box.voxels()));
      const int n = blosc_decompress_ctx(all.data() + at, chunk.data(), chunk.size() * sizeof(T), 1);
      require(n > 0, "blosc failed");
      at += sizes_[static_cast<std::size_t>(i)];
      const auto row = static_cast<std::size_t>(box.shape().x);
      const T* from = chunk.data();
      for (Index z = box.begin.z; z < box.end.z; ++z)
        for (Index y = box.begin.y; y < box.end.y; ++y, from += row)
          std::memcpy(&view[{z, y, box.begin.x}], from, row * sizeof(T));
    }
  }
  std::uint64_t stored() const { return stored_; }

 private:
  template <class V>
  static void gather(const V& view, const Box& box, std::vector<T>& chunk) {
    const auto row = static_cast<std::size_t>(box.shape().x);
    chunk.resize(static_cast<std::size_t>(box.voxels()));
    T* to = chunk.data();
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = box.begin.y; y < box.end.y; ++y, to += row)
        std::memcpy(to, &view[{z, y, box.begin.x}], row * sizeof(T));
  }
  const Array& voxels_;
  const OutputRoot& root_;
  std::string name_;
  Tiling chunks_;
  std::vector<std::size_t> sizes_;
  std::size_t stored_ = 0;
};

/// Local ids in the order of appearance, and 64-bit names that look like those of a large volume.
std::pair<LabelArray, MemoryVolume> labels_of(const Volume& source, Index side) {
  const Extent shape = source.domain().shape();
  const Box box = Box::from(source.domain().begin,
                            {std::min(side, shape.z), std::min(side, shape.y), std::min(side, shape.x)});
  const Array read = source.read_box(box);
  LabelArray labels{Array{DType::u32, box, box}, {}};
  MemoryVolume names{DType::u64, box};
  const auto ids = labels.ids.view<std::uint32_t>();
  const auto wide = names.array().view<std::uint64_t>();
  std::unordered_map<std::uint64_t, std::uint32_t> known{{0, 0}};
  visit_dtype(read.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto view = read.view<T>();
    box.for_each([&](Coord p) {
      const auto label = static_cast<std::uint64_t>(view[p]);
      const auto [entry, fresh] =
          known.try_emplace(label, static_cast<std::uint32_t>(labels.names.size() + 1));
      const Name name = label == 0 ? 0 : mix64(label) >> 16;
      if (fresh) labels.names.push_back(name);
      ids[p] = entry->second;
      wide[p] = name;
    });
  });
  return {std::move(labels), std::move(names)};
}

void run(const std::string& directory, const std::string& file, const std::string& dataset, Index side,
         int rounds) {
  const OutputRoot root = OutputRoot::create(directory);
  const auto source = open_hdf5_volume(file, dataset);
  const auto [labels, names] = labels_of(*source, side);
  const Box box = labels.ids.box();
  const Extent chunk = Extent::cube(chunk_side);
  const CodecOptions codec{Codec::zstd, 1, Shuffle::none};
  Bare<std::uint32_t> bare32{labels.ids, root, "bare32"};
  Bare<std::uint64_t> bare64{names.array(), root, "bare64"};
  ShardSpec spec;
  spec.layout = make_shard_layout(box, box.shape(), chunk, DType::u64);
  spec.dtype = DType::u64;
  spec.codec = parse_hdf5_codec("zstd", 1, "none");
  std::map<std::string, Figures> all;
  Array ids{DType::u32, box}, wide{DType::u64, box};
  for (int round = 0; round < rounds; ++round) {
    {
      Figures& f = all["bundle"];
      Location location;
      PackWriter pack{root, 1, static_cast<std::uint32_t>(round)};
      timed(f.write_wall, f.write_cpu, [&] {
        BundleWriter writer{1};
        writer.add_labels(0, labels, chunk, codec, false);
        location = pack.append(writer.finish());
        pack.sync();
      });
      f.stored = location.length;
      const auto packs = std::make_shared<const PackReader>(root);
      timed(f.read_wall, f.read_cpu, [&] {
        const BundleReader reader{packs, location, 1, "bench"};
        reader.read_labels(0, ids, box);
      });
      require(std::equal(ids.bytes().begin(), ids.bytes().end(), labels.ids.bytes().begin()),
              "bundle differs");
      root.remove(pack_name(1, static_cast<std::uint32_t>(round)));
    }
    {
      Figures& f = all["bare 32"];
      timed(f.write_wall, f.write_cpu, [&] { bare32.write(); });
      timed(f.read_wall, f.read_cpu, [&] { bare32.read(ids); });
      f.stored = bare32.stored();
    }
    {
      Figures& f = all["shard"];
      ShardResult result;
      timed(f.write_wall, f.write_cpu,
            [&] { result = write_shard(spec, 0, names, directory, 1, static_cast<std::uint64_t>(round)); });
      f.stored = result.record.bytes;
      timed(f.read_wall, f.read_cpu, [&] {
        const ShardSetVolume set{spec, directory, {result.record}, 0};
        set.read(wide);
      });
      require(std::equal(wide.bytes().begin(), wide.bytes().end(), names.array().bytes().begin()),
              "shard differs");
      root.remove(result.record.file);
    }
    {
      Figures& f = all["bare 64"];
      timed(f.write_wall, f.write_cpu, [&] { bare64.write(); });
      timed(f.read_wall, f.read_cpu, [&] { bare64.read(wide); });
      f.stored = bare64.stored();
    }
  }
  std::printf("%s of %s, %zu objects, %d rounds\n", to_string(box).c_str(), dataset.c_str(),
              labels.names.size(), rounds);
  std::printf("%-10s %12s %12s %12s %12s %12s\n", "", "write MB/s", "by CPU", "read MB/s", "by CPU",
              "stored kB");
  const auto rate = [&](const std::string& name, const std::vector<double>& s) {
    const bool wide_voxels = name == "shard" || name == "bare 64";
    return static_cast<double>(box.voxels()) * (wide_voxels ? 8e-6 : 4e-6) / median(s);
  };
  for (const char* name : {"bundle", "bare 32", "shard", "bare 64"}) {
    const Figures& f = all[name];
    std::printf("%-10s %12.0f %12.0f %12.0f %12.0f %12.0f\n", name, rate(name, f.write_wall),
                rate(name, f.write_cpu), rate(name, f.read_wall), rate(name, f.read_cpu),
                static_cast<double>(f.stored) * 1e-3);
  }
  for (const auto& [ours, bare] : {std::pair{"bundle", "bare 32"}, {"shard", "bare 64"}}) {
    const Figures &a = all[ours], &b = all[bare];
    std::printf("%-10s %12.2f %12.2f %12.2f %12.2f   share of bare\n", ours,
                median(b.write_wall) / median(a.write_wall), median(b.write_cpu) / median(a.write_cpu),
                median(b.read_wall) / median(a.read_wall), median(b.read_cpu) / median(a.read_cpu));
  }
}

}  // namespace
}  // namespace petavox

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "block_io_bench DIR FILE DATASET [SIDE] [ROUNDS]\n");
    return 2;
  }
  try {
    petavox::bench::keep_pages_as_petavox();
    petavox::run(argv[1], argv[2], argv[3], argc > 4 ? std::atoi(argv[4]) : 192,
                 argc > 5 ? std::atoi(argv[5]) : 5);
    return 0;
  } catch (const petavox::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(petavox::exit_code_of(error.code()));
  }
}
