#include "petavox/io/pack.hpp"

#include "storage_fixture.hpp"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include <sys/resource.h>

namespace petavox::storage_test {
namespace {

using PackTest = StorageTest;

TEST_F(PackTest, ReadsBackWhatWasAppended) {
  PackWriter writer{root, 1, 4};
  std::vector<Location> locations;
  std::vector<Bytes> objects;
  Random random{1};
  for (std::uint64_t i = 0; i < 200; ++i) {
    objects.push_back(random_bytes(1 + random.below(5000), i));
    locations.push_back(writer.append(objects.back()));
  }
  writer.sync();
  const PackReader reader{root};
  for (std::size_t i = 0; i < objects.size(); ++i) {
    EXPECT_EQ(reader.read_object(locations[i], 1 << 20), objects[i]);
    const std::size_t begin = random.below(objects[i].size()),
                      n = random.below(objects[i].size() - begin + 1);
    Bytes part(n);
    reader.read(locations[i], begin, part);
    EXPECT_TRUE(
        std::equal(part.begin(), part.end(), objects[i].begin() + static_cast<std::ptrdiff_t>(begin)));
  }
  EXPECT_EQ(locations[0].generation, 1U);
  EXPECT_EQ(locations[0].writer, 4U);
  EXPECT_EQ(root.list("packs"), std::vector<std::string>{"1.4.pack"});
}

TEST_F(PackTest, APackIsMadeOnce) {
  PackWriter writer{root, 2, 0};
  const auto error = error_of([&] { PackWriter again{root, 2, 0}; });
  ASSERT_TRUE(error);
  EXPECT_TRUE(well_worded(*error)) << error->what();
}

TEST_F(PackTest, RefusesRangesOutsideTheObject) {
  PackWriter writer{root, 1, 1};
  const Location a = writer.append(Bytes(100));
  (void)writer.append(Bytes(100));
  const PackReader reader{root};
  Bytes into(50);
  EXPECT_THROW(reader.read(a, 51, into), CorruptObject);
  EXPECT_THROW(reader.read(a, ~0ULL - 10, into), CorruptObject);
  Location bad = a;
  bad.offset = ~0ULL - 20;
  EXPECT_THROW(reader.read(bad, 0, into), CorruptObject);
  bad = a;
  bad.length = ~0ULL;
  EXPECT_THROW(reader.read(bad, 1ULL << 62, into), CorruptObject);
  const auto error = error_of([&] { (void)reader.read_object(bad, 1 << 20); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::resource);
}

TEST_F(PackTest, MissingTruncatedAndDamagedObjectsAreCorrupt) {
  PackWriter writer{root, 1, 1};
  const Location location = writer.append(random_bytes(1000, 1));
  const std::string path = root.path_of(pack_name(1, 1));
  {
    const PackReader reader{root};
    File file = root.open_or_create(pack_name(1, 1));
    file.write_all_at(Bytes{std::byte{1}, std::byte{2}}, location.offset + 500);
    EXPECT_THROW((void)reader.read_object(location, 10000), CorruptObject);
    file.resize(location.offset + 999);
    Bytes all(1000);
    EXPECT_THROW(reader.read(location, 0, all), CorruptObject);
  }
  std::filesystem::remove(path);
  const PackReader reader{root};
  const auto error = error_of([&] { (void)reader.read_object(location, 10000); });
  ASSERT_TRUE(error);
  EXPECT_NE(std::string{error->what()}.find("packs/1.1.pack is missing"), std::string::npos) << error->what();
  EXPECT_TRUE(well_worded(*error)) << error->what();
}

TEST_F(PackTest, KeepsFewFilesOpenAndIsThreadSafe) {
  std::vector<Location> locations;
  for (std::uint32_t w = 0; w < 20; ++w) {
    PackWriter writer{root, 1, w};
    locations.push_back(writer.append(random_bytes(3000, w)));
  }
  const PackReader reader{root, 3};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Random random{t};
      for (int i = 0; i < 300; ++i) {
        const std::size_t w = random.below(20);
        if (reader.read_object(locations[w], 10000) != random_bytes(3000, w)) ++wrong;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  // The descriptors of this process that point into the packs.
  int open = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    std::error_code ignored;
    if (std::filesystem::read_symlink(entry.path(), ignored).string().find(".pack") != std::string::npos)
      ++open;
  }
  EXPECT_LE(open, 3);
  reader.forget(stream_of(Location{1, 0, 0, 0, 0}));
  reader.forget(stream_of(Location{7, 7, 0, 0, 0}));
}

// The limit on file sizes stands in for a full disk.
TEST_F(PackTest, AFullDiskLeavesThePackUsable) {
  PackWriter writer{root, 1, 1};
  const Bytes first = random_bytes(5000, 1), second = random_bytes(20000, 2);
  const Location a = writer.append(first);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit low = before;
  low.rlim_cur = 12000;
  ::setrlimit(RLIMIT_FSIZE, &low);
  const auto error = error_of([&] { (void)writer.append(second); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::resource);
  EXPECT_TRUE(error->retryable());
  EXPECT_FALSE(writer.abandoned());
  const Location b = writer.append(second);
  writer.sync();
  EXPECT_EQ(b.offset, a.offset + a.length) << "the piece that was written is overwritten";
  const PackReader reader{root};
  EXPECT_EQ(reader.read_object(a, 1 << 20), first);
  EXPECT_EQ(reader.read_object(b, 1 << 20), second);
}

TEST(PackNames, TellTheStream) {
  static_assert(stream_of(writer_of(7, 0)) == 0 &&
                stream_of(writer_of(max_workers - 1, max_streams - 1)) == 4095);
  const Location location{3, writer_of(5, 9), 0, 1, 0};
  EXPECT_EQ(stream_of(location), (Stream{3, 9}));
  const std::string name = pack_name(location.generation, location.writer);
  EXPECT_EQ(stream_of_pack(name.substr(name.find('/') + 1)), (Stream{3, 9}));
  for (const std::string bad : {"", "3", "3.4", "3.x.pack", "3.4.pack.tmp", ".4.pack", "3..pack"})
    EXPECT_FALSE(stream_of_pack(bad)) << bad;
}

}  // namespace
}  // namespace petavox::storage_test
