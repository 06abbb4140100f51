// petavox calibrate: what the steps of a configuration cost on this machine, from a few of its blocks.

#include "petavox/base/log.hpp"
#include "petavox/base/units.hpp"
#include "petavox/io/process_identity.hpp"
#include "petavox/run/profile.hpp"
#include "petavox/run/run.hpp"
#include "petavox/run/run_history.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/costs.hpp"
#include "apps/petavox/neighbours.hpp"
#include "apps/petavox/scratch_dir.hpp"
#include "apps/petavox/setup.hpp"
#include "apps/petavox/svg.hpp"

#include <chrono>
#include <cmath>
#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Runs the configuration on a box of whole blocks in the middle of its input, and on one block alone, "
    "with "
    "one\n"
    "thread, in a directory that is removed afterwards, and writes what each step took for a voxel. `plan`, "
    "`run` and\n"
    "`simulate` read it with --costs.\n"
    "Run it on a machine of the kind that will do the work, with the blocks that you will use. Cores share "
    "memory\n"
    "and caches: if all cores of a node will work, measure with as many processes at once (--at-once).\n"
    "\n"
    "Examples:\n"
    "  petavox calibrate configs/fib25.yaml --out costs.json\n"
    "  petavox plan configs/fib25.yaml --costs costs.json --ranks 64\n"
    "  petavox calibrate configs/fib25.yaml --at-once $(nproc) --out costs.json\n"
    "  petavox calibrate my.yaml --sample 1,2,2 --at 0.2,0.5,0.5 --out costs.json";

struct Options {
  ConfigOptions config;
  std::string out = "costs.json";
  std::vector<Index> sample{2, 2, 2};
  std::vector<double> at{0.5, 0.5, 0.5};
  int at_once = 1;
  std::string as_neighbour;  ///< of another calibration: where to work until it ends this process
};

/// Whole blocks round the place `at`.
Box sample_box(const Options& options, const std::vector<Index>& sample, const Plan& plan,
               Extent block_shape) {
  const Tiling tiling{plan.inputs().front().domain, block_shape};
  Coord low, high;
  for (int axis = 0; axis < 3; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const Index grid = tiling.grid()[axis], count = std::min(grid, sample[i]);
    low[axis] = std::clamp<Index>(
        std::llround(options.at[i] * static_cast<double>(grid) - static_cast<double>(count) / 2), 0,
        grid - count);
    high[axis] = low[axis] + count;
  }
  return tiling.covered({low, high});
}

/// Bytes a second that this disk takes, synced.
double disk_bytes_s(const OutputRoot& root) {
  constexpr std::size_t piece = std::size_t{8} << 20, pieces = 16;
  Bytes bytes(piece);
  // Not zeros: some file systems store none.
  for (std::size_t i = 0; i < piece; i += 8) {
    const std::uint64_t noise = mix64(i);
    std::memcpy(bytes.data() + i, &noise, sizeof noise);
  }
  File file = root.create_new("disk_speed");
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < pieces; ++i) file.write_all_at(bytes, i * piece);
  file.sync();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  root.remove("disk_speed");
  return static_cast<double>(piece * pieces) / seconds;
}

/// A sample that did not come to its end.
struct Unfinished {
  RunReport report;
};

Costs costs_of(const Pipeline& sample, const RunReport& report) {
  const OutputRoot root = OutputRoot::open(report.output_dir);
  const Plan& plan = sample.plan();
  const Profile profile = read_profile(root);
  std::vector<StepShape> shapes;
  for (const StepPlan& step : plan.steps()) shapes.push_back({step.fingerprint, {0, 0, 0}});
  const RunHistory history = read_history(root, shapes);
  Costs costs;
  costs.host = this_process().host;
  costs.block_shape = sample.config().block_shape;
  double tasks = 0, waiting = 0;
  for (std::size_t i = 0; i < profile.steps.size(); ++i) {
    const ProfileRow& row = profile.steps[i];
    const double voxels = static_cast<double>(plan.step(static_cast<int>(i)).tiling.domain().voxels());
    const double wait = row.seconds[static_cast<std::size_t>(Phase::wait)];
    const StepHistory& step = history.steps[i];
    const auto timed = static_cast<double>(std::max<Index>(1, step.timed));
    const double mean = step.log_sum / timed;
    costs.steps.push_back(
        {row.name,
         {row.cpu_s / voxels, (row.total_s() - wait) / voxels, static_cast<double>(row.bytes_read) / voxels,
          static_cast<double>(row.bytes_written) / voxels,
          static_cast<double>(row.stored_bytes_read) / voxels,
          static_cast<double>(row.stored_bytes_written) / voxels},
         {},
         std::sqrt(std::max(0.0, step.log_squares / timed - mean * mean))});
    tasks += static_cast<double>(row.tasks);
    waiting += wait;
  }
  costs.task_overhead_s = waiting / std::max(1.0, tasks);
  costs.sync_s = profile.sync.total_s() / static_cast<double>(std::max<std::uint64_t>(1, profile.sync.tasks));
  costs.start_s = std::max(0.0, report.wall_s - profile.span_s);
  return costs;
}

/// Runs the configuration on the box. Throws Unfinished, and what a run throws.
Costs measure(RunConfig config, const StageRegistry& registry, const Pipeline& whole, const Box& box,
              const std::filesystem::path& directory) {
  // Inputs of the same place are cut alike.
  const std::vector<InputInfo>& infos = whole.plan().inputs();
  for (std::size_t i = 0; i < config.inputs.size(); ++i)
    if (infos[i].domain == infos.front().domain) config.inputs[i].box = box;
  config.output_dir = directory;
  config.keep = KeepMode::final;
  config.threads = 1;
  const Pipeline sample{config, registry};
  log::info(fmt::format("calibrating on {} of {} voxels: {}", box.voxels(), infos.front().domain.voxels(),
                        to_string(box)));
  RunOptions run_options;
  run_options.profile = true;
  const RunReport report = run_serial(sample.plan(), sample.inputs(), run_options);
  if (report.exit_code != ExitCode::done) throw Unfinished{report};
  return costs_of(sample, report);
}

/// The arguments of this command for a neighbour, whose place comes last.
std::vector<std::string> neighbours_arguments() {
  std::vector<std::string> arguments;
  const std::vector<std::string> own = own_command();
  for (std::size_t i = 1; i < own.size(); ++i) {
    if (own[i] == "--at-once")
      ++i;  // and its number
    else if (!own[i].starts_with("--at-once="))
      arguments.push_back(own[i]);
  }
  arguments.emplace_back("--as-neighbour");
  return arguments;
}

/// Does the sample's work again and again, until this process is ended.
[[noreturn]] void be_neighbour(const RunConfig& config, const StageRegistry& registry, const Pipeline& whole,
                               const Box& box, const std::filesystem::path& place) {
  log::set_level(log::Level::error);
  std::filesystem::create_directory(place);
  for (int round = 0;; ++round) {
    measure(config, registry, whole, box, place / std::to_string(round));
    std::filesystem::remove_all(place / std::to_string(round));
  }
}

int run(const Options& options) {
  StageRegistry registry;
  const RunConfig config = load_run_config(options.config, registry);
  const Pipeline whole{config, registry};
  const auto edges = [&](const Box& box) { return edge_share(Tiling{box, config.block_shape}.grid()); };
  const Box box = sample_box(options, options.sample, whole.plan(), config.block_shape);
  const Box block = sample_box(options, {1, 1, 1}, whole.plan(), config.block_shape);
  if (!options.as_neighbour.empty()) be_neighbour(config, registry, whole, box, options.as_neighbour);
  // Beside the run's own directory: on the disk that it will use.
  const std::filesystem::path beside = config.output_dir.parent_path();
  const ScratchDir scratch{std::filesystem::is_directory(beside) ? beside : std::filesystem::path{}};
  Costs costs;
  try {
    Neighbours neighbours{neighbours_arguments(), options.at_once - 1, scratch.path()};
    costs = measure(config, registry, whole, box, scratch.path() / "sample");
    if (block.voxels() < box.voxels())
      separate_edges(costs, edges(box), measure(config, registry, whole, block, scratch.path() / "block"),
                     edges(block));
    neighbours.check();
    costs.at_once = options.at_once;
  } catch (const Unfinished& unfinished) {
    for (const FailedTask& failure : unfinished.report.failures)
      log::error(failure.task + ": " + failure.text);
    return static_cast<int>(unfinished.report.exit_code);
  }
  costs.disk_bytes_s = disk_bytes_s(OutputRoot::open(scratch.path().string()));
  const std::string json = costs_to_json(costs);
  const std::filesystem::path out = std::filesystem::absolute(options.out);
  OutputRoot::open(out.parent_path().string()).atomically_replace(out.filename().string(), bytes_of(json));
  std::cout << fmt::format("{:<32} {:>14} {:>14} {:>14} {:>8}\n", "step", "CPU ns/voxel", "stored B/voxel",
                           "read B/voxel", "spread");
  for (const StepRate& r : costs.steps)
    std::cout << fmt::format("{:<32} {:>14.3f} {:>14.4f} {:>14.4f} {:>7.2f}x\n", r.name, r.inner.cpu_s * 1e9,
                             r.inner.stored_written, r.inner.stored_read, std::exp(r.log_sigma));
  std::cout << fmt::format("overhead a task {}, a sync {}, disk {}/s; written to {}\n",
                           seconds_text(costs.task_overhead_s), seconds_text(costs.sync_s),
                           bytes_text(costs.disk_bytes_s), options.out);
  return 0;
}

}  // namespace

void add_calibrate_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("calibrate", "Measure what the steps of a configuration cost here");
  sub->footer(footer);
  add_config_options(*sub, options->config, false);
  sub->add_option("--out", options->out, "The file to write")->type_name("FILE")->capture_default_str();
  sub->add_option("--sample", options->sample, "Blocks along z, y, x")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(1, 1000))
      ->type_name("Z,Y,X");
  sub->add_option("--at", options->at, "Where in the volume, 0 to 1 along z, y, x")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("Z,Y,X");
  sub->add_option("--at-once", options->at_once,
                  "Processes that do this work meanwhile, as on a node whose cores are all in use")
      ->check(CLI::Range(1, 4096))
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--as-neighbour", options->as_neighbour)->group("");
  sub->callback([options, &command] {
    command.config = &options->config;
    command.run = [options](const Session&) { return run(*options); };
  });
}

}  // namespace petavox::app
