// Shards, shard sets, the virtual dataset over them and their merge.

#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/shard_set.hpp"
#include "petavox/io/shard_writer.hpp"

#include "python_files.hpp"

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

const Box domain{{-3, 5, 100}, {47, 58, 151}};  // 50 x 53 x 51

ShardSpec spec_of(const MemoryVolume& volume, Extent shard = {32, 32, 64}, Extent chunk = {16, 16, 32},
                  const Hdf5Codec& codec = {}) {
  ShardSpec spec;
  spec.layout = make_shard_layout(volume.domain(), shard, chunk, volume.dtype());
  spec.dtype = volume.dtype();
  spec.channels = volume.channels();
  spec.voxel_size_nm = volume.voxel_size_nm();
  spec.codec = codec;
  spec.fingerprint = {17, 42};
  return spec;
}

std::vector<ShardRecord> write_all(const ShardSpec& spec, const Volume& volume,
                                   const std::filesystem::path& directory, std::uint64_t attempt = 0) {
  std::filesystem::create_directories(directory);
  std::vector<ShardRecord> records;
  for (Index i = 0; i < spec.layout.shards().count(); ++i)
    records.push_back(write_shard(spec, i, volume, directory, 1, attempt).record);
  return records;
}

std::string differs(const Volume& a, const Volume& b) {
  return first_difference(a.read_box(a.domain()), b.read_box(a.domain()));
}

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

class DamagedShards : public ::testing::Test {
 protected:
  DamagedShards() : volume{pattern_volume(DType::u32, domain)}, spec{spec_of(volume)} {
    records = write_all(spec, volume, scratch.path());
  }
  std::filesystem::path file(std::size_t i) const { return scratch / records[i].file; }
  void expect_corrupt(const char* text) const {
    const ShardSetVolume set{spec, scratch.path(), records};
    try {
      set.read_box(domain);
      ADD_FAILURE() << "read what is damaged";
    } catch (const CorruptObject& error) {
      EXPECT_NE(std::string{error.what()}.find(text), std::string::npos) << error.what();
      EXPECT_TRUE(well_formed(error.what())) << error.what();
    }
  }
  Scratch scratch;
  MemoryVolume volume;
  ShardSpec spec;
  std::vector<ShardRecord> records;
};

TEST_F(DamagedShards, missing) {
  std::filesystem::remove(file(2));
  expect_corrupt("No such file");
  const ShardSetVolume set{spec, scratch.path(), records};
  const Box other = spec.layout.shards().core(1);
  EXPECT_EQ(first_difference(set.read_box(other), volume.read_box(other)), "");
  records.erase(records.begin() + 2);
  expect_corrupt("is missing");
}

TEST_F(DamagedShards, truncated) {
  for (const std::uintmax_t size :
       {std::uintmax_t{0}, std::uintmax_t{100}, std::filesystem::file_size(file(1)) - 1}) {
    std::filesystem::resize_file(file(1), size);
    expect_corrupt(records[1].file.c_str());
  }
}

TEST_F(DamagedShards, swapped_and_stale) {
  std::filesystem::rename(file(0), scratch / "x");
  std::filesystem::rename(file(1), file(0));
  expect_corrupt("another shard");
  std::filesystem::remove(file(0));

  auto other = spec;
  other.fingerprint.low ^= 1;
  const auto stale = write_shard(other, 0, volume, scratch.path(), 9, 9).record;
  std::filesystem::rename(scratch / stale.file, file(0));
  expect_corrupt("another volume");
  std::filesystem::remove(file(0));

  // The same volume and place, but other voxels: what an earlier attempt at a wrong state might have left.
  auto changed = pattern_volume(DType::u32, domain);
  changed.array().view<std::uint32_t>()[domain.begin] += 1;
  const auto wrong = write_shard(spec, 0, changed, scratch.path(), 8, 8).record;
  std::filesystem::rename(scratch / wrong.file, file(0));
  expect_corrupt("stale or changed");
}

TEST_F(DamagedShards, every_flipped_byte_is_noticed_or_harmless) {
  const auto bytes = file_bytes(file(0));
  const Box core = spec.layout.shards().core(0);
  std::mt19937 random{3};
  std::uniform_int_distribution<std::size_t> where{0, bytes.size() - 1};
  int noticed = 0;
  for (int i = 0; i < 300; ++i) {
    auto flipped = bytes;
    const std::size_t at = where(random);
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (i % 8)));
    write_bytes(file(0), flipped);
    const ShardSetVolume set{spec, scratch.path(), records};
    try {
      EXPECT_EQ(first_difference(set.read_box(core), volume.read_box(core)), "") << "byte " << at;
    } catch (const CorruptObject&) {
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 250);
}

TEST_F(DamagedShards, verify_finds_the_shard) {
  auto bytes = file_bytes(file(3));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_bytes(file(3), bytes);
  const ShardSetVolume set{spec, scratch.path(), records};
  for (Index i = 0; i < spec.layout.shards().count(); ++i)
    EXPECT_EQ(error_of([&] { set.verify(i); }).has_value(), i == 3);
}

TEST_F(DamagedShards, records_that_cannot_be) {
  auto twice = records;
  twice[1] = twice[0];
  EXPECT_ERROR(ShardSetVolume(spec, scratch.path(), twice), ErrorCode::config, "two records");
  twice[1].shard = 1000;
  EXPECT_ERROR(ShardSetVolume(spec, scratch.path(), twice), ErrorCode::config, "none of the volume's");
  auto outside = records;
  outside[0].file = "../" + outside[0].file;
  EXPECT_ERROR(ShardSetVolume(spec, scratch.path(), outside).read_box(domain), ErrorCode::io, "..");
}

class VirtualShards : public ::testing::Test {
 protected:
  void write(DType type, int channels, const Hdf5Codec& codec) {
    volume = std::make_unique<MemoryVolume>(pattern_volume(type, domain, channels));
    spec = spec_of(*volume, {32, 32, 64}, {16, 16, 32}, codec);
    records = write_all(spec, *volume, scratch / "labels");
    // In another order than the lattice's.
    std::reverse(records.begin(), records.end());
    write_virtual_dataset(scratch / "labels.h5", "/data", spec, scratch / "labels", records);
  }
  std::string arguments(const std::string& file) const {
    const Extent s = domain.shape();
    return "check '" + (scratch / file).string() + "' " + "/data " + name_of(spec.dtype) + " " +
           std::to_string(spec.channels) + " " + std::to_string(s.z) + " " + std::to_string(s.y) + " " +
           std::to_string(s.x);
  }
  Scratch scratch;
  std::unique_ptr<MemoryVolume> volume;
  ShardSpec spec;
  std::vector<ShardRecord> records;
};

TEST_F(VirtualShards, open_as_one_volume) {
  write(DType::u32, 1, {});
  const auto opened = open_hdf5_volume(scratch / "labels.h5", "data");
  EXPECT_EQ(opened->domain(), domain);
  EXPECT_EQ(opened->voxel_size_nm(), (VoxelSizeNm{40, 4, 4}));
  EXPECT_EQ(differs(*volume, *opened), "");
  const auto set = find_shard_set(scratch / "labels.h5", "data");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->records.size(), records.size());
  EXPECT_EQ(set->spec.layout, spec.layout);
  EXPECT_EQ(set->spec.codec, spec.codec);
  EXPECT_EQ(differs(*volume, ShardSetVolume{set->spec, set->directory, set->records}), "");

  // The whole may be moved.
  std::filesystem::create_directory(scratch / "elsewhere");
  std::filesystem::rename(scratch / "labels", scratch / "elsewhere/labels");
  std::filesystem::rename(scratch / "labels.h5", scratch / "elsewhere/labels.h5");
  EXPECT_EQ(differs(*volume, *open_hdf5_volume(scratch / "elsewhere/labels.h5", "data")), "");
  // A missing shard is an error, not a fill value.
  std::filesystem::remove(scratch / "elsewhere/labels" / records[0].file);
  const auto broken = open_hdf5_volume(scratch / "elsewhere/labels.h5", "data");
  EXPECT_THROW(broken->read_box(domain), CorruptObject);
}

TEST_F(VirtualShards, are_read_by_h5py_without_plugins) {
  for (const DType type : {DType::u8, DType::u64, DType::f32})
    for (const int channels : {1, 3}) {
      write(type, channels, parse_hdf5_codec("gzip", 1, type == DType::u64 ? "byte" : "none"));
      const int code = run_make_files(arguments("labels.h5"));
      if (code == no_h5py || code == 127) GTEST_SKIP() << "Python with h5py is not installed";
      EXPECT_EQ(code, 0);
      std::filesystem::remove_all(scratch / "labels");
    }
}

TEST_F(VirtualShards, are_read_by_h5py_with_blosc) {
  write(DType::u64, 1, {});
  const int code = run_make_files(arguments("labels.h5") + " tables");
  if (code == no_h5py || code == 127) GTEST_SKIP() << "Python with h5py and tables is not installed";
  EXPECT_EQ(code, 0);
}

TEST_F(VirtualShards, merge_into_one_file) {
  for (const char* codec : {"gzip", "zstd", "none"})
    for (const int channels : {1, 2}) {
      SCOPED_TRACE(codec);
      write(DType::u16, channels, parse_hdf5_codec(codec, 1, "none"));
      const auto bytes =
          merge_shards(spec, scratch / "labels", records, scratch / "merged.h5", "/data", true);
      EXPECT_EQ(bytes, std::filesystem::file_size(scratch / "merged.h5"));
      const auto merged = open_hdf5_volume(scratch / "merged.h5", "data");
      EXPECT_EQ(merged->domain(), Box::from({}, domain.shape()));
      Array expected{DType::u16, merged->domain(), channels};
      fill_pattern(expected);
      EXPECT_EQ(first_difference(merged->read_box(merged->domain()), expected), "");
      EXPECT_EQ(merged->info().layout, "chunked");
      if (std::string{codec} != "zstd") {
        const int code = run_make_files(arguments("merged.h5"));
        EXPECT_TRUE(code == 0 || code == no_h5py || code == 127) << code;
      }
      std::filesystem::remove_all(scratch / "labels");
    }
}

TEST_F(VirtualShards, merge_refuses_what_is_wrong) {
  write(DType::u16, 1, {});
  write_bytes(scratch / "there.h5", {'x'});
  EXPECT_ERROR(merge_shards(spec, scratch / "labels", records, scratch / "there.h5", "/data"), ErrorCode::io,
               "there.h5 exists");
  EXPECT_EQ(file_bytes(scratch / "there.h5"), (std::vector<char>{'x'}));
  EXPECT_ERROR(merge_shards(spec, scratch / "labels", records, scratch / "m.h5", "//bad"), ErrorCode::config,
               "cannot name a dataset");
  auto shard = file_bytes(scratch / "labels" / records[0].file);
  shard[shard.size() / 2] = static_cast<char>(shard[shard.size() / 2] ^ 1);
  write_bytes(scratch / "labels" / records[0].file, shard);
  EXPECT_THROW(merge_shards(spec, scratch / "labels", records, scratch / "m.h5", "/data"), CorruptObject);
  EXPECT_FALSE(std::filesystem::exists(scratch / "m.h5"));
  EXPECT_EQ(num_files(scratch.path()), 3U);  // labels, labels.h5, there.h5
}

TEST_F(VirtualShards, refuse_incomplete_sets) {
  write(DType::u8, 1, {});
  auto fewer = records;
  fewer.pop_back();
  EXPECT_ERROR(write_virtual_dataset(scratch / "v.h5", "data", spec, scratch / "labels", fewer),
               ErrorCode::config, "is missing");
  std::filesystem::create_directory(scratch / "beside");
  EXPECT_ERROR(write_virtual_dataset(scratch / "beside/v.h5", "data", spec, scratch / "labels", records),
               ErrorCode::config, "do not lie beneath");
  std::filesystem::remove(scratch / "labels" / records[0].file);
  EXPECT_ERROR(write_virtual_dataset(scratch / "v.h5", "data", spec, scratch / "labels", records),
               ErrorCode::io, records[0].file);
  EXPECT_FALSE(std::filesystem::exists(scratch / "v.h5"));
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
