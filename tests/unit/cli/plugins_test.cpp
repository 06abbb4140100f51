#include "petavox/pipeline/plugins.hpp"

#include <fstream>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace petavox {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Plugins : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "petavox_plugins_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }

  static fs::path built(const std::string& kind) {
    return fs::path{PLUGIN_DIR} / ("libcli_plugin_" + kind + ".so");
  }
  fs::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream{dir_ / name, std::ios::binary} << bytes;
    return dir_ / name;
  }
  static std::string bytes_of(const fs::path& file) {
    std::ifstream stream{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{stream}, {}};
  }
  static std::string refusal(const fs::path& file) {
    StageRegistry registry;
    try {
      load_plugin({file, ""}, registry);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::config);
      EXPECT_TRUE(registry.types().empty());
      return error.what();
    }
    return "accepted";
  }

  fs::path dir_;
};

TEST_F(Plugins, AddsItsStagesWithThePathAsOrigin) {
  StageRegistry registry;
  EXPECT_EQ(load_plugin({built("good"), ""}, registry), std::vector<std::string>{"invert"});
  const StageType* type = registry.find("invert");
  ASSERT_NE(type, nullptr);
  EXPECT_EQ(type->origin, fs::canonical(built("good")).string());
  Problems problems;
  const Value none;
  Params params{none, "stages.invert", problems};
  const StageProgram program = type->make(params);
  EXPECT_EQ(program.steps.size(), 1U);
  EXPECT_TRUE(problems.empty());
}

TEST_F(Plugins, NamedTwiceIsLoadedOnce) {
  StageRegistry registry;
  load_plugin({built("good"), ""}, registry);
  fs::create_symlink(built("good"), dir_ / "link.so");
  EXPECT_TRUE(load_plugin({dir_ / "link.so", ""}, registry).empty());
}

TEST_F(Plugins, RefusesATakenName) {
  StageRegistry registry;
  load_plugin({built("good"), ""}, registry);
  try {
    load_plugin({built("taken"), ""}, registry);
    FAIL() << "two stages of one name were accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("two stages are called 'invert'"));
    EXPECT_THAT(error.what(), HasSubstr("libcli_plugin_taken.so"));
  }
}

TEST_F(Plugins, RefusesAnotherAbi) { EXPECT_THAT(refusal(built("other_abi")), HasSubstr("has plugin ABI")); }
TEST_F(Plugins, RefusesALibraryWithoutStages) {
  EXPECT_THAT(refusal(built("empty")), HasSubstr("holds no stage"));
}
TEST_F(Plugins, RefusesAMissingFile) { EXPECT_THAT(refusal(dir_ / "no.so"), HasSubstr("does not exist")); }
TEST_F(Plugins, RefusesADirectory) { EXPECT_THAT(refusal(dir_), HasSubstr("is not a regular file")); }
TEST_F(Plugins, RefusesText) {
  EXPECT_THAT(refusal(write("a.so", "#!/bin/sh\n")), HasSubstr("is not a shared library"));
}
TEST_F(Plugins, RefusesAnEmptyFile) {
  EXPECT_THAT(refusal(write("a.so", "")), HasSubstr("is not a shared library"));
}

TEST_F(Plugins, RefusesAPipeWithoutWaitingForIt) {
  ASSERT_EQ(::mkfifo((dir_ / "pipe.so").c_str(), 0600), 0);
  EXPECT_THAT(refusal(dir_ / "pipe.so"), HasSubstr("is not a regular file"));
}

TEST_F(Plugins, RefusesAFileThatEverybodyMayWrite) {
  const fs::path file = write("a.so", bytes_of(built("good")));
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  EXPECT_THAT(refusal(file), HasSubstr("may be written by everybody"));
}

TEST_F(Plugins, RefusesADirectoryThatEverybodyMayWrite) {
  const fs::path file = write("a.so", bytes_of(built("good")));
  ASSERT_EQ(::chmod(dir_.c_str(), 0777), 0);
  EXPECT_THAT(refusal(file), HasSubstr("is in a directory that everybody may write"));
  ASSERT_EQ(::chmod(dir_.c_str(), 01777), 0);
  EXPECT_EQ(refusal(file), "accepted");
}

TEST_F(Plugins, RefusesAnotherMachine) {
  std::string bytes = bytes_of(built("good"));
  reinterpret_cast<Elf64_Ehdr*>(bytes.data())->e_machine = EM_S390;
  EXPECT_THAT(refusal(write("a.so", bytes)), HasSubstr("is for another kind of machine"));
}

TEST_F(Plugins, RefusesALibraryThatIsNoPlugin) {
  std::string bytes = bytes_of(built("good"));
  for (std::size_t at = 0; (at = bytes.find("petavox_plugin_abi", at)) != std::string::npos; ++at)
    bytes[at] = 'q';
  EXPECT_THAT(refusal(write("a.so", bytes)), HasSubstr("does not export petavox_plugin_abi"));
}

TEST_F(Plugins, RefusesATruncatedLibraryAtAnyLength) {
  const std::string bytes = bytes_of(built("good"));
  for (std::size_t size = 0; size + 1 < bytes.size(); size += 1 + bytes.size() / 97)
    EXPECT_NE(refusal(write("a.so", bytes.substr(0, size))), "accepted") << size;
}

TEST_F(Plugins, SurvivesADamagedHeader) {
  const std::string bytes = bytes_of(built("good"));
  std::size_t refused = 0;
  for (std::size_t at = 0; at < sizeof(Elf64_Ehdr); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(~damaged[at]);
    const fs::path file = write("a.so", damaged);
    try {
      check_plugin_file(file);
    } catch (const Error&) {
      ++refused;
    }
  }
  // Some bytes (the entry point, padding) mean nothing for a library; the rest must be noticed.
  EXPECT_GT(refused, 20U);
}

}  // namespace
}  // namespace petavox
