#include "petavox/io/output_root.hpp"

#include "storage_fixture.hpp"

#include <atomic>
#include <fstream>
#include <thread>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace petavox::storage_test {
namespace {

namespace fs = std::filesystem;

class OutputRootTest : public StorageTest {
 protected:
  std::size_t num_entries(const std::string& directory) const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator{root.path() + "/" + directory}, {}));
  }
};

TEST_F(OutputRootTest, CreatesParentsAndOpensAgain) {
  const auto deep = OutputRoot::create(scratch.path() + "/a/b/c");
  deep.publish_file("f", bytes_of("x"));
  EXPECT_EQ(OutputRoot::open(scratch.path() + "/a/b/c").read_file("f", 10), bytes_of("x"));
  EXPECT_NO_THROW(OutputRoot::create(scratch.path() + "/a/b/c/"));
  EXPECT_THROW(OutputRoot::open(scratch.path() + "/none"), Error);
  deep.publish_file("file", bytes_of("x"));
  EXPECT_THROW(OutputRoot::create(scratch.path() + "/a/b/c/file/d"), Error);
}

TEST_F(OutputRootTest, PublishesWholeFilesAndNeverReplaces) {
  root.make_directories("x/y");
  root.publish_file("x/y/one", bytes_of("first"));
  EXPECT_FALSE(root.try_publish("x/y/one", bytes_of("second")));
  const auto error = error_of([&] { root.publish_file("x/y/one", bytes_of("second")); });
  ASSERT_TRUE(error);
  EXPECT_TRUE(well_worded(*error)) << error->what();
  EXPECT_EQ(root.read_file("x/y/one", 100), bytes_of("first"));
  EXPECT_EQ(num_entries("x/y"), 1U) << "no temporary file stays";
}

TEST_F(OutputRootTest, AFailedPublicationLeavesNothing) {
  EXPECT_THROW(root.publish_file("f",
                                 [](File& file) {
                                   file.write_all(bytes_of("half"));
                                   throw Error{ErrorCode::stage, "stop (a test); none"};
                                 }),
               Error);
  EXPECT_FALSE(root.exists("f"));
  EXPECT_EQ(num_entries(""), 0U);
}

TEST_F(OutputRootTest, PublishesWhatAnotherLibraryWrote) {
  root.make_directories("volumes");
  const std::string temporary = root.temporary_name("volumes/shard");
  { root.create_new(temporary).write_all(bytes_of("data")); }
  EXPECT_TRUE(root.list("volumes").empty()) << "temporary names are not listed";
  EXPECT_TRUE(root.try_publish_written(temporary, "volumes/shard"));
  EXPECT_EQ(root.list("volumes"), std::vector<std::string>{"shard"});
  EXPECT_EQ(root.path_of("volumes/shard"), root.path() + "/volumes/shard");
  EXPECT_THROW(root.try_publish_written("volumes/shard", "elsewhere"), Error);
}

TEST_F(OutputRootTest, ReplacesSmallFilesAtomically) {
  root.atomically_replace("state", bytes_of("1"));
  root.atomically_replace("state", bytes_of("22"));
  EXPECT_EQ(root.read_file("state", 100), bytes_of("22"));
  EXPECT_EQ(num_entries(""), 1U);
}

TEST_F(OutputRootTest, OnlyOneOfManyPublishersWins) {
  root.make_directories("race");
  for (int round = 0; round < 20; ++round) {
    const std::string name = "race/" + std::to_string(round);
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        if (root.try_publish(name, bytes_of(std::string(1000, static_cast<char>('a' + i))))) ++winners;
      });
    for (auto& t : threads) t.join();
    EXPECT_EQ(winners, 1);
    const Bytes content = root.read_file(name, 10000);
    EXPECT_EQ(content.size(), 1000U);
    EXPECT_EQ(std::count(content.begin(), content.end(), content[0]), 1000);
  }
  EXPECT_EQ(num_entries("race"), 20U);
}

TEST_F(OutputRootTest, ListsAndRemoves) {
  EXPECT_TRUE(root.list("nothing").empty());
  root.make_directories("d/e");
  root.publish_file("d/b", bytes_of("2"));
  root.publish_file("d/a", bytes_of("1"));
  root.publish_file("d/e/f", bytes_of("3"));
  EXPECT_EQ(root.list("d"), (std::vector<std::string>{"a", "b", "e"}));
  EXPECT_TRUE(root.remove("d/a"));
  EXPECT_FALSE(root.remove("d/a"));
  EXPECT_FALSE(root.remove("none/a"));
  EXPECT_FALSE(root.exists("d/a"));
  EXPECT_TRUE(root.exists("d/e"));
  EXPECT_TRUE(root.remove_tree("d"));
  EXPECT_FALSE(root.remove_tree("d"));
  EXPECT_FALSE(root.exists("d"));
}

TEST_F(OutputRootTest, RemovingATreeDoesNotFollowLinks) {
  fs::create_directory(scratch.path() + "/outside");
  { std::ofstream{scratch.path() + "/outside/precious"} << "keep"; }
  root.make_directories("d");
  fs::create_symlink(scratch.path() + "/outside", root.path() + "/d/link");
  EXPECT_TRUE(root.remove_tree("d"));
  EXPECT_TRUE(fs::exists(scratch.path() + "/outside/precious"));
}

TEST_F(OutputRootTest, RemovesWhatCrashedWritersLeft) {
  root.make_directories("d");
  root.publish_file("d/keep", bytes_of("1"));
  (void)root.create_new(root.temporary_name("d/lost"));
  EXPECT_EQ(num_entries("d"), 2U);
  root.remove_temporaries("d");
  EXPECT_EQ(num_entries("d"), 1U);
  root.remove_temporaries("none");
}

TEST_F(OutputRootTest, FindsOrFailsOnMissingFiles) {
  EXPECT_FALSE(root.find_for_reading("none"));
  EXPECT_FALSE(root.find_for_reading("no/such/place"));
  EXPECT_FALSE(root.exists("no/such/place"));
  const auto error = error_of([&] { (void)root.open_for_reading("none"); });
  ASSERT_TRUE(error);
  EXPECT_FALSE(error->retryable());
  EXPECT_THROW((void)root.create_new("no/such/place"), Error);
}

TEST_F(OutputRootTest, BoundsWhatItReads) {
  root.publish_file("big", Bytes(1000));
  const auto error = error_of([&] { (void)root.read_file("big", 999); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::resource);
  EXPECT_TRUE(well_worded(*error)) << error->what();
}

TEST_F(OutputRootTest, ReportsAMissingPermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may do everything";
  root.make_directories("d");
  fs::permissions(root.path() + "/d", fs::perms::owner_read | fs::perms::owner_exec);
  const auto error = error_of([&] { (void)root.create_new("d/f"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::io);
  EXPECT_FALSE(error->retryable());
  fs::permissions(root.path() + "/d", fs::perms::owner_all);
}

}  // namespace
}  // namespace petavox::storage_test
