// Shards that were damaged, the virtual dataset over shards, and their merge.

#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/hdf5_volume.hpp"

#include "python_files.hpp"
#include "shard_files.hpp"

#include <algorithm>
#include <random>

namespace petavox::test {
namespace {

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

}  // namespace
}  // namespace petavox::test
