// The profile of a run: phases add up, memory is bounded, and logs that were cut or damaged do no harm.

#include "petavox/run/profile.hpp"

#include "unit/run/run_world.hpp"

#include <fstream>
#include <thread>

namespace petavox::test {
namespace {

std::uint64_t sum_of(const PhaseClock& clock) {
  std::uint64_t sum = 0;
  for (const std::uint64_t ns : clock.sums_ns()) sum += ns;
  return sum;
}

std::uint64_t phase_ns(const PhaseClock& clock, Phase phase) {
  return clock.sums_ns()[static_cast<std::size_t>(phase)];
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds{ms}); }

TEST(PhaseClock, InnerPhasesInterruptOuterOnesAndAllAddUp) {
  PhaseClock clock;
  clock.start();
  {
    const PhaseScope decode{Phase::decode};
    sleep_ms(2);
    {
      const PhaseScope read{Phase::read};
      count_stored_read(100);
      sleep_ms(4);
    }
    sleep_ms(2);
  }
  clock.stop();
  EXPECT_EQ(sum_of(clock), clock.end_ns() - clock.begin_ns());
  EXPECT_GE(phase_ns(clock, Phase::decode), 4'000'000U);
  EXPECT_GE(phase_ns(clock, Phase::read), 4'000'000U);
  EXPECT_EQ(phase_ns(clock, Phase::encode), 0U);
  EXPECT_EQ(clock.stored_bytes_read(), 100U);
  ASSERT_EQ(clock.slices().size(), 3U);
  EXPECT_EQ(clock.slices()[1].phase, Phase::read);
  EXPECT_EQ(clock.slices()[0].end_ns, clock.slices()[1].begin_ns);
}

TEST(PhaseClock, IsPerThreadAndScopesCostNothingWithoutOne) {
  PhaseClock clock;
  clock.start();
  std::thread other{[] {
    EXPECT_EQ(PhaseClock::current(), nullptr);
    const PhaseScope read{Phase::read};
    count_stored_read(1);
  }};
  other.join();
  clock.stop();
  EXPECT_EQ(phase_ns(clock, Phase::read), 0U);
  EXPECT_EQ(clock.stored_bytes_read(), 0U);
  EXPECT_EQ(PhaseClock::current(), nullptr);
}

TEST(PhaseClock, KeepsABoundedNumberOfDisjointSlicesAndExactSums) {
  PhaseClock clock;
  clock.start();
  for (int i = 0; i < 20'000; ++i) {
    const PhaseScope read{Phase::read};
    const PhaseScope decode{i % 3 == 0 ? Phase::decode : Phase::write};
  }
  {
    const PhaseScope encode{Phase::encode};
    sleep_ms(20);
  }
  clock.stop();
  EXPECT_LE(clock.slices().size(), PhaseClock::max_slices);
  EXPECT_EQ(sum_of(clock), clock.end_ns() - clock.begin_ns());
  std::uint64_t before = clock.begin_ns(), longest = 0;
  for (const PhaseClock::Slice& slice : clock.slices()) {
    EXPECT_LE(before, slice.begin_ns);
    EXPECT_LE(slice.begin_ns, slice.end_ns);
    before = slice.end_ns;
    if (slice.phase == Phase::encode) longest = std::max(longest, slice.end_ns - slice.begin_ns);
  }
  EXPECT_LE(before, clock.end_ns());
  EXPECT_GE(longest, 20'000'000U) << "the longest slice must be kept";
}

class ProfiledRun : public ::testing::Test {
 protected:
  /// Runs the chain in blocks; the directory's name.
  std::string run(int ranks) {
    world.add("raw.h5", Box::from({0, 0, 0}, {10, 12, 14}), 3, 1);
    RunOptions options = quiet();
    options.profile = true;
    const std::string dir = world.next_dir();
    report = world.run(run_header(dir, "[4, 5, 6]", "", "all") + watershed_chain, options, ranks);
    expect_done(report);
    return dir;
  }
  OutputRoot root_of(const std::string& dir) const { return OutputRoot::open((world / dir).string()); }

  RunWorld world;
  RunReport report;
};

TEST_F(ProfiledRun, CountsEveryTaskAndTimesAddUp) {
  for (const int ranks : {0, 1, 3}) {
    SCOPED_TRACE(ranks);
    const Profile profile = read_profile(root_of(run(ranks)));
    EXPECT_EQ(profile.damaged_logs, 0U);
    EXPECT_EQ(profile.threads, static_cast<std::uint64_t>(std::max(ranks, 1)));
    ASSERT_EQ(profile.steps.size(), report.steps.size());
    double sum = profile.idle_s + profile.sync.total_s();
    for (std::size_t i = 0; i < profile.steps.size(); ++i) {
      EXPECT_EQ(profile.steps[i].name, report.steps[i].name);
      EXPECT_GE(profile.steps[i].tasks, static_cast<std::uint64_t>(report.steps[i].total));
      if (ranks == 0) {
        EXPECT_EQ(profile.steps[i].bytes_read, report.steps[i].bytes_read);
        EXPECT_EQ(profile.steps[i].bytes_written, report.steps[i].bytes_written);
      }
      EXPECT_GT(profile.steps[i].stored_bytes_written, 0U);
      sum += profile.steps[i].total_s();
    }
    EXPECT_NEAR(sum, profile.span_s, 1e-6 * static_cast<double>(world.total()));
    EXPECT_LE(profile.span_s, profile.wall_s * (static_cast<double>(profile.threads) + 1));
    EXPECT_GT(profile.steps.front().peak_bytes + profile.base_bytes, 0U);
  }
}

TEST_F(ProfiledRun, IsKeptOverLaunchesAndLeftOutWithoutTheOption) {
  world.add("raw.h5", Box::from({0, 0, 0}, {10, 12, 14}), 1, 1);
  const std::string dir = world.next_dir();
  const std::string text =
      run_header(dir, "[4, 5, 6]", "", "all") + "stages:\n  flaky: {writes: {image: copy}}\n";
  Switches::stop_after = 3;
  RunOptions options = quiet();
  options.profile = true;
  EXPECT_EQ(world.run(text, options).exit_code, ExitCode::interrupted);
  const Profile first = read_profile(root_of(dir));
  Switches::stop_after = 0;
  request_stop(false);
  expect_done(world.run(text, options));
  const Profile both = read_profile(root_of(dir));
  EXPECT_LT(first.steps.front().tasks, both.steps.front().tasks);
  EXPECT_EQ(both.threads, 2U);

  const std::string plain = world.next_dir();
  expect_done(world.run(run_header(plain, "[4, 5, 6]", "") + components_chain));
  EXPECT_FALSE(root_of(plain).exists("profile"));
  EXPECT_THROW(read_profile(root_of(plain)), Error);
}

TEST_F(ProfiledRun, OfADeadThreadEndsWhereItsLogEnds) {
  const std::string dir = run(0);
  const std::filesystem::path log = world / dir / "profile" / "1.0";
  const Profile whole = read_profile(root_of(dir));
  const auto size = std::filesystem::file_size(log);
  std::uint64_t before = ~std::uint64_t{0};
  for (const std::uintmax_t cut : {size - 1, size / 2, size / 5, std::uintmax_t{9}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(log, cut);
    std::uint64_t tasks = 0;
    const std::uint64_t damaged = visit_profile(
        root_of(dir), [](const ProfileHeader&) {},
        [&](const ProfileHeader&, const ProfileRecord& record, std::span<const PhaseClock::Slice>) {
          tasks += record.event == ProfileEvent::task ? 1 : 0;
        });
    EXPECT_EQ(damaged, 1U) << cut;
    EXPECT_LE(tasks, before);
    before = tasks;
  }
  EXPECT_EQ(before, 0U);
}

TEST_F(ProfiledRun, WithAnyDamagedByteIsReadWithoutHarm) {
  const std::string dir = run(0);
  const std::filesystem::path log = world / dir / "profile" / "1.0";
  std::string bytes;
  {
    std::ifstream in{log, std::ios::binary};
    bytes.assign(std::istreambuf_iterator<char>{in}, {});
  }
  for (std::size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 300) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    std::ofstream{log, std::ios::binary} << damaged;
    EXPECT_EQ(visit_profile(
                  root_of(dir), [](const ProfileHeader&) {},
                  [](const ProfileHeader&, const ProfileRecord&, std::span<const PhaseClock::Slice>) {}),
              1U)
        << at;
  }
}

}  // namespace
}  // namespace petavox::test
