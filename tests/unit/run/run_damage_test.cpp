// A thousand damages to the files of runs: a bit, a page of zeros, the end cut off, two pages exchanged, an
// older state of the file. Every one is found before it is used, or lies in bytes that nobody reads.

#include "unit/run/run_world.hpp"

#include <algorithm>
#include <filesystem>
#include <random>

namespace petavox::test {
namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

/// False if nothing changed.
bool damage(std::vector<char>& bytes, const std::vector<char>& other, Random& random) {
  const std::vector<char> before = bytes;
  if (bytes.empty()) return false;
  constexpr std::size_t page = 512;
  const std::size_t pages = (bytes.size() + page - 1) / page, at = random() % pages * page;
  const std::size_t length = std::min(page, bytes.size() - at);
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random() % 5) {
    case 0: {
      char& byte = bytes[random() % bytes.size()];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
      break;
    }
    case 1:
      std::fill_n(begin, length, '\0');
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3: {
      const std::size_t to = random() % pages * page;
      if (to + length <= bytes.size() && at + length <= bytes.size())
        std::swap_ranges(begin, begin + static_cast<std::ptrdiff_t>(length),
                         bytes.begin() + static_cast<std::ptrdiff_t>(to));
      break;
    }
    default:  // what another file of the kind has there
      for (std::size_t i = at; i < std::min(at + length, other.size()); ++i) bytes[i] = other[i];
  }
  return bytes != before;
}

std::vector<fs::path> files_below(const fs::path& directory) {
  std::vector<fs::path> files;
  if (!fs::exists(directory)) return files;
  for (const auto& entry : fs::recursive_directory_iterator{directory})
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

class RunDamage : public ::testing::Test {
 protected:
  RunDamage() { world_.add("raw.h5", Box::from({-4, -3, 0}, {10, 12, 14}), 1, 5); }
  static std::string text(const std::string& dir) {
    return run_header(dir, "[4, 5, 6]", "", "all") + "run: {snapshot_tasks: 20, max_attempts: 99}\n" +
           components_chain;
  }
  RunWorld world_;
};

TEST_F(RunDamage, SixHundredToUnfinishedRuns) {
  const RunReport reference = world_.run(text("reference"));
  expect_done(reference);
  Random random{6};
  int damages = 0, repaired = 0;
  for (int trial = 0; damages < 600; ++trial) {
    const std::string dir = "out" + std::to_string(trial % 6), copy = "copy";
    SCOPED_TRACE("trial " + std::to_string(trial));
    if (trial < 6) {  // stopped at different places
      Switches::blocks_run = 0;
      Switches::stop_after = 3 + 4 * trial;
      const RunReport stopped = world_.run(text(dir));
      Switches::stop_after = 0;
      request_stop(false);
      ASSERT_EQ(stopped.exit_code, ExitCode::interrupted);
    }
    fs::remove_all(world_ / copy);
    fs::copy(world_ / dir, world_ / copy, fs::copy_options::recursive);
    std::vector<fs::path> files;
    for (const std::string part : {"packs", "packs", "journal", "snapshots"})
      for (const fs::path& file : files_below(world_ / copy / part)) files.push_back(file);
    for (int i = 0; i < 25; ++i) {
      const fs::path file = files[random() % files.size()], other = files[random() % files.size()];
      std::vector<char> bytes = file_bytes(file);
      if (!damage(bytes, file_bytes(other), random)) continue;
      write_bytes(file, bytes);
      ++damages;
    }
    const RunReport resumed = world_.run(text(copy));
    expect_done(resumed);
    ASSERT_EQ(resumed.digest, reference.digest);
    repaired += resumed.tasks_run + resumed.tasks_resumed > world_.total() ? 1 : 0;
  }
  RecordProperty("damages", damages);
  EXPECT_GT(repaired, 0) << "no damage hit anything that is read";
  RecordProperty("runs_with_repairs", repaired);
}

TEST_F(RunDamage, FourHundredToFinalVolumes) {
  const RunReport reference = world_.run(text("out"));
  expect_done(reference);
  const Array expected = voxels_of(world_, "out", "numbered");
  const auto shards = files_below(world_ / "out" / "volumes" / "numbered.shards");
  ASSERT_GT(shards.size(), 3U);
  Random random{7};
  int damages = 0, refused = 0;
  while (damages < 400) {
    const fs::path file = shards[random() % shards.size()], other = shards[random() % shards.size()];
    const std::vector<char> before = file_bytes(file);
    std::vector<char> bytes = before;
    if (!damage(bytes, file_bytes(other), random)) continue;
    ++damages;
    write_bytes(file, bytes);
    try {
      const Array found = voxels_of(world_, "out", "numbered");
      EXPECT_TRUE(std::ranges::equal(found.bytes(), expected.bytes())) << file << " damage " << damages;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::io || error.code() == ErrorCode::resource) << error.what();
      ++refused;
    }
    write_bytes(file, before);
  }
  EXPECT_GT(refused, 100);
  EXPECT_TRUE(std::ranges::equal(voxels_of(world_, "out", "numbered").bytes(), expected.bytes()))
      << "a false alarm";
  RecordProperty("refused", refused);
}

}  // namespace
}  // namespace petavox::test
