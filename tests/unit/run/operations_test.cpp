// What stands beside a run: progress, when a launch is repeated, metrics, and batch scripts.

#include "petavox/base/units.hpp"

#include "apps/petavox/costs.hpp"
#include "apps/petavox/launched_process.hpp"
#include "apps/petavox/metrics.hpp"
#include "apps/petavox/progress_view.hpp"
#include "apps/petavox/slurm_script.hpp"
#include "apps/petavox/supervisor.hpp"
#include "unit/run/run_world.hpp"
#include "unit/run/world.hpp"
#include "unit/volumes/scratch.hpp"

#include <fstream>
#include <thread>

#include <gmock/gmock.h>

namespace petavox::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Kind = Decision::Kind;

// ---- progress ----

/// Two steps: the first of tasks that took a second each on two workers, the second not begun.
Progress half_way(double elapsed_s, Index run) {
  Progress progress;
  progress.elapsed_s = elapsed_s;
  progress.bytes = static_cast<std::uint64_t>(run) * 1'000'000;
  progress.workers = 2;
  progress.steps.resize(2);
  progress.steps[0].name = "map.image";
  progress.steps[0].total = 100;
  progress.steps[0].done = run;
  progress.steps[0].run = run;
  progress.steps[0].running = 2;
  progress.steps[0].seconds = static_cast<double>(run);
  progress.steps[1].name = "map.join";
  progress.steps[1].total = 10;
  progress.steps[1].weight = 2;
  return progress;
}

TEST(ProgressMeter, RateAndTimeLeft) {
  ProgressMeter meter;
  Progress progress = half_way(10, 20);
  meter.update(progress);
  EXPECT_DOUBLE_EQ(progress.tasks_per_s, 2);
  EXPECT_DOUBLE_EQ(progress.bytes_per_s, 2e6);
  // 80 tasks of a second and 10 of two (by weight), on two workers.
  EXPECT_DOUBLE_EQ(progress.left_s, 50);
}

TEST(ProgressMeter, FollowsTheLastHalfMinuteOnly) {
  ProgressMeter meter;
  for (int t = 1; t <= 100; ++t) {
    Progress progress = half_way(t, 10);
    meter.update(progress);
    if (t < 100) continue;
    EXPECT_DOUBLE_EQ(progress.tasks_per_s, 0) << "nothing has been done lately";
  }
}

TEST(Progress, SurvivesTheLiveFileAndTornOnesAreRefused) {
  const test::Scratch scratch;
  const OutputRoot root = OutputRoot::create((scratch / "run").string());
  Progress progress = half_way(10, 20);
  progress.generation = 4;
  progress.slowest = "rank 1: \"x\"";
  LiveFile file{root, 4};
  file.write(progress);
  const auto read = read_live_file(root, 4);
  ASSERT_TRUE(read);
  EXPECT_EQ(progress_to_json(*read), progress_to_json(progress));
  EXPECT_FALSE(read_live_file(root, 3));
  progress.steps[0].done = 77;
  file.write(progress);
  EXPECT_EQ(read_live_file(root, 4)->steps[0].done, 77);
  std::fstream{scratch / "run" / "live" / "4", std::ios::in | std::ios::out}.seekp(40) << "#";
  EXPECT_FALSE(read_live_file(root, 4));
}

TEST(ProgressView, FitsTheTerminal) {
  Progress progress = half_way(10, 20);
  ProgressMeter{}.update(progress);
  progress.slowest = "rank 1: map.image block (0,0,1)";
  progress.steps[0].quarantined = 3;
  const auto lines = progress_view(progress, 60, 10);
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[1],
              AllOf(HasSubstr("map "), HasSubstr("[####"), HasSubstr("20/110"), HasSubstr("3 FAILED")));
  for (const std::string& line : lines) EXPECT_LE(line.size(), 60U);
  for (int i = 0; i < 40; ++i) {
    progress.steps.push_back(progress.steps[0]);
    progress.steps.back().name = "stage" + std::to_string(i);
  }
  EXPECT_LE(progress_view(progress, 60, 10).size(), 10U);
}

TEST(Words, OfDurationsAndSizes) {
  EXPECT_EQ(duration_text(4.21), "4.2 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(3720), "1 h 02 min");
  EXPECT_EQ(duration_text(8 * 86400 + 3600), "8 d 01 h");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(12'540'000), "12.5 MB");
}

// ---- supervision ----

LaunchEnd ended(int code, bool progressed, std::optional<ExitCode> recorded = std::nullopt) {
  LaunchEnd end;
  end.exit_code = code;
  end.progressed = progressed;
  end.recorded = recorded;
  return end;
}

TEST(RelaunchPolicy, TheRecordCountsAndNotTheLauncher) {
  RelaunchPolicy policy{3, 1, 60};
  EXPECT_EQ(policy.after(ended(137, false, ExitCode::done)).kind, Kind::finish);
  EXPECT_EQ(policy.after(ended(137, false, ExitCode::done)).code, 0);
  EXPECT_EQ(policy.after(ended(0, true)).kind, Kind::relaunch) << "0 without a record is no success";
  EXPECT_EQ(policy.after(ended(0, false, ExitCode::failed_blocks)).code, 4);
  EXPECT_EQ(policy.after(ended(1, true, ExitCode::interrupted)).code, 75);
  EXPECT_EQ(policy.after(ended(75, true)).code, 75);
  EXPECT_EQ(policy.after(ended(2, false)).code, 2) << "a wrong configuration is not tried again";
}

TEST(RelaunchPolicy, BacksOffAndGivesUp) {
  RelaunchPolicy policy{4, 1, 3};
  const LaunchEnd stuck = ended(137, false);
  EXPECT_EQ(policy.after(stuck).wait_s, 2);
  EXPECT_EQ(policy.after(stuck).wait_s, 3) << "the longest wait";
  EXPECT_EQ(policy.after(ended(137, true)).wait_s, 1) << "progress: from the beginning";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(policy.after(stuck).kind, Kind::relaunch);
  const Decision last = policy.after(stuck);
  EXPECT_EQ(last.kind, Kind::give_up);
  EXPECT_EQ(last.code, 3);
}

TEST(RelaunchPolicy, AskedToStopIsNotRelaunched) {
  LaunchEnd end = ended(143, false);
  end.asked = true;
  RelaunchPolicy policy{3, 1, 60};
  EXPECT_EQ(policy.after(end).kind, Kind::finish);
  EXPECT_EQ(policy.after(end).code, 75);
}

TEST(LaunchedProcess, CodesSignalsAndOrphans) {
  const WatchedSignals signals;
  const auto code_of = [&](LaunchedProcess& process) {
    while (!process.poll()) (void)signals.wait(std::chrono::milliseconds{20});
    return *process.poll();
  };
  LaunchedProcess seven{{"sh", "-c", "exit 7"}};
  EXPECT_EQ(code_of(seven), 7);
  LaunchedProcess killed{{"sleep", "100"}};
  killed.signal(SIGKILL);
  EXPECT_EQ(code_of(killed), 137);
  EXPECT_THROW((LaunchedProcess{{"/no/such/program"}}), Error);
  // What the command leaves behind is killed before the next launch.
  LaunchedProcess parent{{"sh", "-c", "sleep 1000 & exit 0"}};
  EXPECT_EQ(code_of(parent), 0);
  parent.reap(std::chrono::milliseconds{50});
  EXPECT_THAT(family_of(::getpid()), SizeIs(1));
}

TEST(SharedSegments, OnlyOwnOnesAreRemoved) {
  const std::string base = "/dev/shm/petavox_test." + std::to_string(::getpid());
  const std::string others = base + ".others", own = base + ".own";
  if (!std::ofstream{others}) GTEST_SKIP() << "/dev/shm cannot be written to";
  {
    const WatchedSignals signals;
    SharedSegments segments;
    std::ofstream{own} << std::string(4096, 'x');
    // A process that has it mapped, as ranks do.
    LaunchedProcess process{{"/usr/bin/env", "python3", "-c",
                             "import mmap, sys, time\n"
                             "files = [open(p, 'r+b') for p in sys.argv[1:]]\n"
                             "maps = [mmap.mmap(f.fileno(), 0) for f in files]\n"
                             "time.sleep(100)\n",
                             own}};
    const std::string maps = "/proc/" + std::to_string(process.pid()) + "/maps";
    const auto mapped = [&] {
      std::ifstream file{maps};
      return std::string{std::istreambuf_iterator<char>{file}, {}}.find(own) != std::string::npos;
    };
    for (int i = 0; i < 3000 && !mapped(); ++i) (void)signals.wait(std::chrono::milliseconds{20});
    segments.note(process.pid());
    process.signal(SIGKILL);
    while (!process.poll()) (void)signals.wait(std::chrono::milliseconds{20});
    EXPECT_THAT(segments.remove_leaked(), SizeIs(1));
  }
  EXPECT_FALSE(std::ifstream{own}) << "left by a killed launch";
  EXPECT_TRUE(std::ifstream{others});
  std::remove(others.c_str());
  std::remove(own.c_str());
}

// ---- metrics ----

TEST(Metrics, HaveTheExpositionFormat) {
  Progress progress = half_way(10, 20);
  ProgressMeter{}.update(progress);
  const std::string text = metrics_text(progress);
  EXPECT_THAT(text,
              HasSubstr("# TYPE petavox_tasks gauge\npetavox_tasks{step=\"map.image\",state=\"done\"} 20\n"));
  EXPECT_THAT(text, HasSubstr("petavox_tasks{step=\"map.image\",state=\"waiting\"} 78\n"));
  EXPECT_THAT(text, HasSubstr("petavox_bytes_total 20000000\n"));
  EXPECT_EQ(text.back(), '\n');
  EXPECT_THROW(MetricsServer{"70000"}, Error);
  EXPECT_THROW(MetricsServer{"somewhere:80"}, Error);
}

// ---- Slurm ----

TEST(SlurmTime, IsReadAsSlurmReadsIt) {
  EXPECT_EQ(parse_slurm_time("90"), 5400);
  EXPECT_EQ(parse_slurm_time("1:30"), 90);
  EXPECT_EQ(parse_slurm_time("1:30:05"), 5405);
  EXPECT_EQ(parse_slurm_time("2-0"), 172800);
  EXPECT_EQ(parse_slurm_time("1-2:03"), 86400 + 7380);
  EXPECT_EQ(parse_slurm_time("1-2:03:04"), 86400 + 7384);
  for (const char* text : {"", "x", "1:2:3:4", "-1", "1-", "1:", "99999999999"})
    EXPECT_FALSE(parse_slurm_time(text)) << text;
}

TEST(SlurmScript, HoldsWhatThePlanKnows) {
  SlurmJob job;
  job.name = "petavox-x";
  job.run_dir = "/data/run";
  job.working_dir = "/data/my files";
  job.petavox = "/usr/bin/petavox";
  job.run_words = {"my.yaml", "--set", "input.path=it's here"};
  job.nodes = 4;
  job.ranks_per_node = 8;
  job.threads = 2;
  job.time = "1-0";
  job.memory = {100 * 1048576.0, 300 * 1048576.0, 10 * 1048576.0};
  EXPECT_EQ(node_memory_mib(job.memory, 8), 3904);  // 1.2 * 3210, in steps of 64
  const std::string script = slurm_script(job);
  EXPECT_TRUE(script.starts_with("#!/bin/bash\n"));
  for (const char* text : {"#SBATCH --nodes=4 --ntasks-per-node=8 --cpus-per-task=2\n",
                           "#SBATCH --mem=3904M\n", "#SBATCH --time=1-0\n", "#SBATCH --signal=B:USR1@300\n",
                           "#SBATCH --requeue --open-mode=append\n", "cd '/data/my files' || exit 3\n",
                           "exec /usr/bin/petavox supervise --requeue --dir /data/run -- \\\n  mpirun "
                           "--bind-to none /usr/bin/petavox run "
                           "my.yaml --set 'input.path=it'\\''s here'\n"})
    EXPECT_THAT(script, HasSubstr(text));
  job.srun = true;
  job.after = "17";
  EXPECT_THAT(slurm_script(job),
              AllOf(HasSubstr("srun --mpi=pmix --cpus-per-task=2 /usr/bin/petavox run"),
                    HasSubstr("#SBATCH --dependency=afterok:17 --kill-on-invalid-dep=yes\n")));
}

// ---- costs ----

TEST(Costs, TwoSamplesTellWhatFacesChange) {
  const auto sample = [](double share) {
    Costs costs;
    StepRate& rate = costs.steps.emplace_back();
    rate.name = "region_graph.region_graph";
    rate.inner = {1 - 0.5 * share, 1, 3, 2 - share, 1 + 0.5 * share, 0};
    return costs;
  };
  EXPECT_DOUBLE_EQ(edge_share({1, 1, 1}), 1);
  EXPECT_DOUBLE_EQ(edge_share({1, 2, 4}), 1.75 / 3);
  Costs costs = sample(0.5);
  separate_edges(costs, 0.5, sample(1), 1);
  const Cost whole = costs.steps.front().per_voxel(0.125);
  EXPECT_DOUBLE_EQ(whole.read, 3);
  EXPECT_DOUBLE_EQ(whole.written, 2 - 0.125);
  EXPECT_DOUBLE_EQ(whole.stored_read, 1 + 0.5 * 0.125);
  EXPECT_DOUBLE_EQ(whole.stored_written, 0);
  EXPECT_DOUBLE_EQ(whole.cpu_s, 1 - 0.5 * 0.125) << "halos that faces cut are not computed";
  EXPECT_DOUBLE_EQ(whole.wall_s, 1);

  Costs same = sample(0.5);
  separate_edges(same, 0.5, sample(0.5), 0.5);
  EXPECT_DOUBLE_EQ(same.steps.front().per_voxel(1).written, 1.5) << "nothing is told by two of one kind";
}

// A commit is two syncs. Of 0.5 ms each one comes after 50 ms of work, of 5 ms each one after 300 ms, of 50
// ms each one after a second.
TEST(Costs, ASerialRunWaitsForCommitsNowAndThen) {
  const auto plan =
      test::plan_of(test::run_header("out", "[4, 4, 4]", "") + "stages:\n  flaky: {writes: {image: copy}}\n",
                    {test::input_info("input", Box::from({}, {8, 8, 8}))});
  Costs costs;
  for (const StepPlan& step : plan->steps())
    costs.steps.push_back({step.name, {.cpu_s = 0.1, .wall_s = 0.1}, {}, 0});
  const auto seconds = [&](double sync_s, int ranks) {
    costs.sync_s = sync_s;
    return estimate(*plan, costs, {ranks, 0, 0}).seconds;
  };
  const double work = seconds(0, 1);
  EXPECT_GT(work, 51.2) << "512 voxels and more than one step";
  EXPECT_NEAR(seconds(0.0005, 1) / work, 1 + 0.001 / 0.05, 1e-9);
  EXPECT_NEAR(seconds(0.005, 1) / work, 1 + 0.01 / 0.3, 1e-9);
  EXPECT_NEAR(seconds(0.05, 1) / work, 1 + 0.1 / 1, 1e-9);
  EXPECT_GT(seconds(0.05, 2), seconds(0, 2)) << "ranks sync before they report";
}

}  // namespace
}  // namespace petavox::app
