// Names and links that must not lead out of the output directory, and things that are no files.

#include "petavox/io/beneath.hpp"

#include "storage_fixture.hpp"

#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

namespace petavox::storage_test {
namespace {

namespace fs = std::filesystem;

class HostileNameTest : public StorageTest {
 protected:
  void SetUp() override {
    fs::create_directory(scratch.path() + "/outside");
    std::ofstream{scratch.path() + "/outside/secret"} << "secret";
  }
  /// Tries every way to use the name; each must throw and leave no trace outside.
  void expect_refused(const std::string& name) {
    EXPECT_THROW((void)root.create_new(name), Error) << name;
    EXPECT_THROW((void)root.open_or_create(name), Error) << name;
    EXPECT_THROW((void)root.open_for_reading(name), Error) << name;
    EXPECT_THROW((void)root.read_file(name, 100), Error) << name;
    EXPECT_THROW((void)root.publish_file(name, bytes_of("x")), Error) << name;
    EXPECT_THROW(root.atomically_replace(name, bytes_of("x")), Error) << name;
    EXPECT_THROW((void)root.path_of(name), Error) << name;
    EXPECT_EQ(std::distance(fs::directory_iterator{scratch.path() + "/outside"}, {}), 1);
    std::ifstream file{scratch.path() + "/outside/secret"};
    std::string content;
    file >> content;
    EXPECT_EQ(content, "secret");
  }
};

TEST_F(HostileNameTest, NamesThatAreNotPlainAndRelative) {
  const std::string nul{"a\0b", 3};
  for (const std::string& name :
       {std::string{}, std::string{"/etc/passwd"}, std::string{".."}, std::string{"../outside/secret"},
        std::string{"a/../../outside/secret"}, std::string{"a//b"}, std::string{"a/"}, std::string{"./a"},
        std::string{"."}, nul, std::string(256, 'a'), std::string(2000, 'a'), std::string{"a/.."}}) {
    expect_refused(name);
    const auto error = error_of([&] { check_relative_name(name); });
    ASSERT_TRUE(error) << name;
    EXPECT_TRUE(well_worded(*error)) << error->what();
    EXPECT_EQ(std::string_view{error->what()}.find('\0'), std::string_view::npos);
  }
  for (const char* name : {"a", "a.b-c_d", "..a", "a..", "a/b/c", ".hidden"})
    EXPECT_NO_THROW(check_relative_name(name));
}

TEST_F(HostileNameTest, LinksThatLeadOut) {
  fs::create_symlink(scratch.path() + "/outside", root.path() + "/absolute");
  fs::create_symlink("../outside", root.path() + "/relative");
  fs::create_symlink("../outside/secret", root.path() + "/file");
  fs::create_symlink("/proc/self/root", root.path() + "/magic");
  fs::create_symlink("loop", root.path() + "/loop");
  for (const char* name : {"absolute/secret", "relative/secret", "magic/etc/passwd", "loop/x"}) {
    EXPECT_THROW((void)root.open_for_reading(name), Error) << name;
    EXPECT_THROW((void)root.create_new(name), Error) << name;
    EXPECT_THROW((void)root.remove(name), Error) << name;
  }
  EXPECT_THROW((void)root.list("absolute"), Error);
  EXPECT_THROW(root.make_directories("relative/new"), Error);
  EXPECT_THROW((void)root.open_for_reading("file"), Error) << "a link in the last place is refused too";
  EXPECT_THROW((void)root.open_or_create("file"), Error);
  EXPECT_THROW((void)root.remove_tree("absolute"), Error);
  expect_refused("relative/secret");
  // A second name of a file outside: not seen as a link, so nothing that exists is opened for writing under
  // it.
  fs::create_hard_link(scratch.path() + "/outside/secret", root.path() + "/hard");
  EXPECT_THROW((void)root.open_or_create("hard"), Error);
  // What is replaced is the link, not what it points to.
  root.atomically_replace("file", bytes_of("mine"));
  EXPECT_EQ(root.read_file("file", 100), bytes_of("mine"));
  std::ifstream file{scratch.path() + "/outside/secret"};
  std::string content;
  file >> content;
  EXPECT_EQ(content, "secret");
}

TEST_F(HostileNameTest, BothResolversStayInside) {
  root.make_directories("a/b");
  fs::create_symlink("../outside", root.path() + "/out");
  fs::create_symlink("a", root.path() + "/in");
  const File directory{::open(root.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), root.path()};
  std::vector<detail::Resolver> resolvers{detail::Resolver::walk};
  if (detail::best_resolver() == detail::Resolver::kernel) resolvers.push_back(detail::Resolver::kernel);
  for (const auto resolver : resolvers) {
    const auto open = [&](std::string_view name) {
      return detail::open_directory_beneath(directory.descriptor(), name, std::string{name}, resolver);
    };
    EXPECT_TRUE(open("").is_open());
    EXPECT_TRUE(open("a/b").is_open());
    EXPECT_FALSE(open("a/c").is_open());
    EXPECT_FALSE(open("c/a").is_open());
    EXPECT_THROW((void)open("out"), Error);
    EXPECT_THROW((void)open("out/x"), Error);
    if (resolver == detail::Resolver::kernel)
      EXPECT_TRUE(open("in/b").is_open()) << "a link that stays inside is followed";
    else
      EXPECT_THROW((void)open("in/b"), Error);
  }
}

TEST_F(HostileNameTest, ThingsThatAreNoFiles) {
  ASSERT_EQ(::mkfifo((root.path() + "/fifo").c_str(), 0600), 0);
  root.make_directories("directory");
  for (const char* name : {"fifo", "directory"}) {
    // Without a guard the FIFO would wait for its other end for ever.
    EXPECT_THROW((void)root.open_for_reading(name), Error) << name;
    EXPECT_THROW((void)root.open_or_create(name), Error) << name;
    EXPECT_THROW((void)root.read_file(name, 100), Error) << name;
  }
}

}  // namespace
}  // namespace petavox::storage_test
