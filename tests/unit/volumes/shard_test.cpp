// Layouts and the writing of shards.

#include "petavox/io/hdf5_volume.hpp"

#include "shard_files.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <random>
#include <thread>

#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

constexpr int unlimited = -1;
// How many writes at a position succeed before the disk is full.
std::atomic<int> writes_left = unlimited;

}  // namespace

// Stands in front of the C library's: HDF5 writes with it. What an abandoned file writes to memory does not
// count.
extern "C" ssize_t pwrite(int descriptor, const void* data, std::size_t size, off_t offset) {
  using Function = ssize_t (*)(int, const void*, std::size_t, off_t);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "pwrite"));
  if (writes_left.load() != unlimited) {
    char target[64]{};
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    const bool in_memory =
        ::readlink(link.c_str(), target, sizeof target - 1) > 0 && std::string{target}.starts_with("/memfd:");
    if (!in_memory) {
      if (writes_left.load() == 0) {
        errno = ENOSPC;
        return -1;
      }
      --writes_left;
    }
  }
  return real(descriptor, data, size, offset);
}

namespace petavox::test {
namespace {

TEST(ShardLayout, is_clipped_and_checked) {
  const auto layout = make_shard_layout(domain, {256, 256, 256}, {64, 64, 64}, DType::u8);
  EXPECT_EQ(layout.chunk_shape, (Extent{50, 53, 51}));
  EXPECT_EQ(layout.shards().count(), 1);
  EXPECT_EQ(make_shard_layout(domain, layout.shard_shape, layout.chunk_shape, DType::u8), layout);
  const auto mixed =
      make_shard_layout(Box::from({}, {100, 300, 30}), {128, 128, 128}, {64, 64, 64}, DType::u8);
  EXPECT_EQ(mixed.shard_shape, (Extent{128, 128, 30}));
  EXPECT_EQ(mixed.chunk_shape, (Extent{64, 64, 30}));
  EXPECT_ERROR(make_shard_layout(domain, {100, 64, 64}, {64, 64, 64}, DType::u8), ErrorCode::config,
               "do not divide");
  EXPECT_ERROR(make_shard_layout(domain, {0, 64, 64}, {64, 64, 64}, DType::u8), ErrorCode::config,
               "do not divide");
  EXPECT_ERROR(make_shard_layout({}, {64, 64, 64}, {64, 64, 64}, DType::u8), ErrorCode::config, "is empty");
  const Box big = Box::from({}, Extent::cube(1 << 20));
  EXPECT_ERROR(make_shard_layout(big, Extent::cube(2048), Extent::cube(2048), DType::u8), ErrorCode::resource,
               "make chunks smaller");
}

TEST(ShardLayout, has_few_shards_by_default) {
  for (const Extent shape : {Extent{1, 1, 1}, Extent{250, 250, 250}, Extent{5000, 100000, 100000},
                             Extent{5300, 400000, 300000}, Extent{1 << 20, 1, 1}}) {
    const auto layout = default_shard_layout(Box::from({-5, 0, 7}, shape), DType::u64);
    EXPECT_LE(layout.shards().count(), 512) << to_string(shape);
    EXPECT_EQ(layout, make_shard_layout(layout.domain, layout.shard_shape, layout.chunk_shape, DType::u64));
  }
  EXPECT_EQ(default_shard_layout(Box::from({}, {1000, 1000, 1000}), DType::u8).shard_shape,
            Extent::cube(256));
}

TEST(Shards, hold_every_type_codec_and_channel_count) {
  const Scratch scratch;
  int number = 0;
  const auto try_one = [&](DType type, int channels, const Hdf5Codec& codec) {
    SCOPED_TRACE(std::string{name_of(type)} + " " + to_string(codec) + " " + std::to_string(channels));
    const auto volume = pattern_volume(type, domain, channels);
    const auto spec = spec_of(volume, {32, 32, 64}, {16, 16, 32}, codec);
    const auto directory = scratch / std::to_string(number++);
    const auto records = write_all(spec, volume, directory);
    const ShardSetVolume set{spec, directory, records};
    EXPECT_EQ(set.domain(), domain);
    EXPECT_EQ(set.voxel_size_nm(), (VoxelSizeNm{40, 4, 4}));
    EXPECT_EQ(differs(volume, set), "");
    const auto shard = open_hdf5_volume(directory / records[1].file, "data");
    EXPECT_EQ(shard->domain(), spec.layout.shards().core(1));
    EXPECT_EQ(first_difference(shard->read_box(shard->domain()), volume.read_box(shard->domain())), "");
  };
  for (int t = 0; t < num_dtypes; ++t) try_one(static_cast<DType>(t), 1, {});
  for (const char* codec : {"none", "gzip", "blosclz", "lz4", "lz4hc", "zlib"})
    try_one(DType::u16, 2, parse_hdf5_codec(codec, 3, "none"));
  try_one(DType::u64, 1, parse_hdf5_codec("zstd", 1, "byte"));
  try_one(DType::u64, 1, parse_hdf5_codec("zstd", 1, "bit"));
  try_one(DType::u32, 3, parse_hdf5_codec("gzip", 6, "byte"));
  try_one(DType::f32, 1, parse_hdf5_codec("gzip", 0, "none"));
}

TEST(Shards, random_boxes_without_cache_and_in_threads) {
  const Scratch scratch;
  const auto volume = pattern_volume(DType::u32, domain, 2);
  const auto spec = spec_of(volume, {16, 32, 32}, {8, 16, 16});
  const auto records = write_all(spec, volume, scratch / "s");
  for (const std::size_t cache : {std::size_t{0}, std::size_t{1} << 20}) {
    const ShardSetVolume set{spec, scratch / "s", records, cache};
    std::vector<std::string> wrong(4);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < wrong.size(); ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random{t};
        for (int i = 0; i < 20 && wrong[t].empty(); ++i) {
          const Box box = random_box(random, domain);
          wrong[t] = first_difference(set.read_box(box), volume.read_box(box));
        }
      });
    for (auto& thread : threads) thread.join();
    for (const auto& text : wrong) EXPECT_EQ(text, "");
  }
}

TEST(Shards, digests_add_up) {
  const Scratch scratch;
  const auto volume = pattern_volume(DType::u16, domain, 2);
  const DigestSum whole = digest_part(volume.array());
  for (const Extent shard : {Extent{16, 16, 32}, Extent{64, 64, 64}}) {
    const auto spec = spec_of(volume, shard);
    DigestSum sum;
    const auto directory = scratch / to_string(shard);
    std::filesystem::create_directories(directory);
    for (Index i = 0; i < spec.layout.shards().count(); ++i)
      sum += write_shard(spec, i, volume, directory, 0, 0).digest;
    EXPECT_EQ(sum, whole);
  }
}

TEST(Shards, equal_content_gives_equal_bytes) {
  const Scratch scratch;
  const auto volume = pattern_volume(DType::u64, domain);
  const auto spec = spec_of(volume);
  const auto first = write_all(spec, volume, scratch / "a", 0);
  // Object times would have a resolution of one second.
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  const auto second = write_all(spec, volume, scratch / "b", 7);
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_NE(first[i].file, second[i].file);
    EXPECT_EQ(file_bytes(scratch / "a" / first[i].file), file_bytes(scratch / "b" / second[i].file));
    EXPECT_EQ(first[i].file_hash, second[i].file_hash);
    EXPECT_EQ(first[i].checksum, second[i].checksum);
    const auto bytes = file_bytes(scratch / "a" / first[i].file);
    EXPECT_EQ(first[i].bytes, bytes.size());
    EXPECT_EQ(first[i].file_hash, hash128(std::as_bytes(std::span{bytes})));
  }
}

TEST(Shards, are_never_overwritten) {
  const Scratch scratch;
  const auto volume = pattern_volume(DType::u8, domain);
  const auto spec = spec_of(volume);
  const auto record = write_shard(spec, 0, volume, scratch.path(), 1, 2).record;
  EXPECT_EQ(record.file, "0_0_0.1.2.h5");
  const auto before = file_bytes(scratch / record.file);
  EXPECT_ERROR(write_shard(spec, 0, volume, scratch.path(), 1, 2), ErrorCode::io, "exists");
  EXPECT_EQ(file_bytes(scratch / record.file), before);
  EXPECT_EQ(num_files(scratch.path()), 1U);
}

TEST(Shards, a_failing_source_leaves_nothing) {
  class Failing final : public Volume {
   public:
    Box domain() const override { return test::domain; }
    DType dtype() const override { return DType::u8; }
    void read(Array&) const override { throw Error{ErrorCode::io, "no such voxels (test); give others"}; }
  };
  const Scratch scratch;
  const auto spec = spec_of(MemoryVolume{DType::u8, domain});
  EXPECT_ERROR(write_shard(spec, 0, Failing{}, scratch.path(), 0, 0), ErrorCode::io, "no such voxels");
  EXPECT_EQ(num_files(scratch.path()), 0U);
  EXPECT_ERROR(write_shard(spec, 0, MemoryVolume(DType::u16, domain), scratch.path(), 0, 0),
               ErrorCode::contract, "give the volume itself");
  EXPECT_ERROR(write_shard(spec, 0, MemoryVolume(DType::u8, domain), scratch / "absent", 0, 0), ErrorCode::io,
               "absent");
}

// Writes fail, as on a full disk, from whichever call on; the library must come out of it whole.
TEST(Shards, a_full_disk_leaves_nothing_and_the_library_usable) {
  const Scratch scratch;
  MemoryVolume volume{DType::u64, Box::from({}, {32, 32, 32})};
  std::mt19937_64 random{1};
  for (auto& v : volume.array().view<std::uint64_t>().channel()) v = random();
  const auto spec = spec_of(volume, {32, 32, 32}, {8, 16, 16});
  int num_failed = 0;
  for (int calls = 0;; ++calls) {
    writes_left = calls;
    const auto error = error_of([&] { write_shard(spec, 0, volume, scratch.path(), 0, 0); });
    writes_left = unlimited;
    if (!error) break;
    ++num_failed;
    EXPECT_EQ(error->code(), ErrorCode::resource) << calls << error->what();
    EXPECT_TRUE(error->retryable());
    EXPECT_NE(std::string{error->what()}.find("No space left on device"), std::string::npos) << error->what();
    EXPECT_TRUE(well_formed(error->what())) << error->what();
    EXPECT_EQ(num_files(scratch.path()), 0U);
  }
  // At least each of the 16 chunks and some of what is written when the file is closed.
  EXPECT_GT(num_failed, 18);
  const std::vector<ShardRecord> records{{0, shard_file_name({}, 0, 0), 0, 0, {}}};
  EXPECT_EQ(differs(volume, ShardSetVolume{spec, scratch.path(), records}), "");

  for (int calls = 0;; ++calls) {
    writes_left = calls;
    const auto error =
        error_of([&] { write_virtual_dataset(scratch / "v.h5", "data", spec, scratch.path(), records); });
    writes_left = unlimited;
    if (!error) break;
    EXPECT_EQ(error->code(), ErrorCode::resource) << error->what();
    EXPECT_EQ(num_files(scratch.path()), 1U);
  }
}

TEST(Hdf5Codec, words) {
  EXPECT_EQ(to_string(parse_hdf5_codec("zstd", 1, "none")), "zstd level 1");
  EXPECT_EQ(to_string(parse_hdf5_codec("gzip", 4, "byte")), "gzip level 4 byte shuffle");
  EXPECT_EQ(to_string(parse_hdf5_codec("none", 0, "none")), "none");
  EXPECT_ERROR(parse_hdf5_codec("lzma", 1, "none"), ErrorCode::config, "codec \"lzma\" is unknown");
  EXPECT_ERROR(parse_hdf5_codec("zstd", 1, "maybe"), ErrorCode::config, "shuffle \"maybe\" is unknown");
  EXPECT_ERROR(parse_hdf5_codec("zstd", 10, "none"), ErrorCode::config, "level 10");
  EXPECT_ERROR(parse_hdf5_codec("gzip", 1, "bit"), ErrorCode::config, "does not go with");
}

}  // namespace
}  // namespace petavox::test
