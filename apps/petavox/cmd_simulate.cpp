// petavox simulate: the scheduler of real runs against a cluster that does not exist.

#include "petavox/base/units.hpp"
#include "petavox/simulate/two_levels.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/costs.hpp"
#include "apps/petavox/setup.hpp"
#include "apps/petavox/svg.hpp"

#include <cmath>
#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "The scheduler is the real one, every decision of it is made; workers, messages, the file system and "
    "deaths are\n"
    "simulated, from the costs below. All figures are simulated ones (docs/scaling.md says how far they were "
    "checked).\n"
    "Tasks come from a configuration with its calibrated costs, or from --blocks, --steps and --task-s.\n"
    "\n"
    "Examples:\n"
    "  petavox simulate my.yaml --costs costs.json --ranks 64,256,1024\n"
    "  petavox simulate my.yaml --costs costs.json --shape 5293,178200,257946 --ranks 10000\n"
    "  petavox simulate --blocks 10400000 --task-s 60 --log-sigma 0.5 --stragglers 0.01 --ranks "
    "1000,10000,100000\n"
    "  petavox simulate --blocks 1000 --weak --task-s 10 --ranks 100,1000,10000     1000 blocks for each "
    "rank\n"
    "  petavox simulate --blocks 100 --weak --task-s 58 --masters 100 --ranks 1000000\n"
    "  petavox simulate --metg --ranks 10000                                        smallest useful task";

struct Options {
  ConfigOptions config;
  std::string costs;
  std::vector<std::int64_t> ranks{64};
  std::vector<Index> shape;
  Index blocks = 0, reach = 1;
  int steps = 1;
  simulate::TwoLevels levels;
  double task_s = 1, log_sigma = 0, task_mb = 0;
  double latency_us = 10, master_us = 2.5, message_us = 1, scan_ns = 150, commit_ms = 2.4, worker_us = 20;
  double report_ms = 0, disk_mb_s = 0, mtbf_h = 0;
  simulate::Cluster cluster;
  simulate::Options simulation;
  bool weak = false, metg = false, json = false;
};

simulate::Cluster cluster_of(const Options& options, std::int64_t ranks, int threads) {
  simulate::Cluster cluster = options.cluster;
  cluster.workers = std::max<std::int64_t>(
      1, ranks <= 8 ? num_workers(static_cast<int>(ranks), threads) : (ranks - 1) * threads);
  cluster.latency_s = 1e-6 * options.latency_us;
  cluster.master_task_s = 1e-6 * options.master_us;
  cluster.master_message_s = 1e-6 * options.message_us;
  cluster.master_scan_s = 1e-9 * options.scan_ns;
  cluster.commit_s = 1e-3 * options.commit_ms;
  cluster.worker_task_s = 1e-6 * options.worker_us;
  cluster.worker_report_s = 1e-3 * options.report_ms;
  cluster.file_system_bytes_s = 1e6 * options.disk_mb_s;
  cluster.mtbf_worker_s = 3600 * options.mtbf_h;
  return cluster;
}

/// What is run: a plan with its costs, or a chain of blocks.
class Workload {
 public:
  explicit Workload(const Options& options) : options_{options} {
    if (options.config.config.empty()) {
      if (options.blocks == 0 && !options.metg)
        throw Error{ErrorCode::config,
                    "nothing to simulate (neither a configuration nor --blocks was given); give one of them"};
      return;
    }
    if (options.costs.empty() || options.blocks > 0 || options.weak || options.levels.masters > 1)
      throw Error{
          ErrorCode::config,
          "a configuration needs --costs and excludes --blocks, --weak and --masters (its tasks are its "
          "own); make costs with `petavox calibrate`"};
    pipeline_.emplace(options.config);
    std::vector<InputInfo> infos = pipeline_->inputs().infos();
    if (!options.shape.empty()) {
      const Box first = infos.front().domain;
      for (InputInfo& info : infos)
        if (info.domain == first)
          info.domain = Box::from(first.begin, {options.shape[0], options.shape[1], options.shape[2]});
    }
    plan_ = make_plan(pipeline_->config(), pipeline_->registry(), infos);
    costs_ = read_costs(options.costs);
  }
  int threads() const { return plan_ ? plan_->config().threads : 1; }

  simulate::Result run(std::int64_t ranks) const {
    const simulate::Cluster cluster = cluster_of(options_, ranks, threads());
    if (plan_) return simulate::run(*plan_, task_costs(*plan_, *costs_), cluster, options_.simulation);
    const simulate::Volume volume{
        options_.weak ? options_.blocks * ranks : options_.blocks, options_.reach,
        std::vector<simulate::TaskCost>(static_cast<std::size_t>(options_.steps),
                                        {options_.task_s, options_.log_sigma, 1e6 * options_.task_mb})};
    if (options_.levels.masters > std::min(cluster.workers, volume.blocks))
      throw Error{ErrorCode::config,
                  fmt::format("--masters is {}, but there are {} workers and {} blocks (a master without any "
                              "has nothing to do); choose fewer masters",
                              options_.levels.masters, cluster.workers, volume.blocks)};
    return simulate::run(volume, cluster, options_.simulation, options_.levels);
  }

 private:
  const Options& options_;
  std::optional<Pipeline> pipeline_;
  std::unique_ptr<Plan> plan_;
  std::optional<Costs> costs_;
};

int run(const Options& options) {
  using Json = nlohmann::ordered_json;
  Json json;
  json["simulated"] = true;
  json["seed"] = options.simulation.seed;
  json["runs"] = Json::array();
  if (options.metg) {
    for (const std::int64_t ranks : options.ranks) {
      simulate::Cluster cluster = cluster_of(options, ranks, 1);
      cluster.workers = std::max<std::int64_t>(1, cluster.workers / options.levels.masters);
      const double metg = simulate::minimum_effective_seconds(cluster, options.simulation);
      json["runs"].push_back({{"ranks", ranks}, {"metg_s", metg}});
      if (!options.json)
        std::cout << fmt::format("simulated: {} ranks work half of the time at {} a task\n", ranks,
                                 seconds_text(metg));
    }
    if (options.json) std::cout << json.dump() << "\n";
    return 0;
  }
  const Workload workload{options};
  if (!options.json)
    std::cout << fmt::format(
        "simulated, seed {}\n{:>9} {:>11} {:>11} {:>10} {:>8} {:>10} {:>9} {:>10} {:>10} {:>10}\n",
        options.simulation.seed, "ranks", "tasks", "makespan", "efficiency", "master", "scheduler", "tail",
        "deaths", "lost", "twice");
  for (const std::int64_t ranks : options.ranks) {
    const simulate::Result r = workload.run(ranks);
    if (!r.finished)
      throw Error{
          ErrorCode::internal,
          "the simulated run never ends (a bug in petavox, or deaths come faster than a task lasts); choose "
          "a longer --mtbf-h"};
    json["runs"].push_back({{"ranks", ranks},
                            {"tasks", r.tasks},
                            {"executions", r.executions},
                            {"makespan_s", r.makespan_s},
                            {"work_s", r.work_s},
                            {"efficiency", r.efficiency},
                            {"master_load", r.master_load},
                            {"scheduler_bytes", r.scheduler_bytes},
                            {"tail_idle_tasks", r.tail_idle_tasks},
                            {"deaths", r.deaths},
                            {"lost_s", r.lost_s},
                            {"duplicate_s", r.duplicate_s}});
    if (!options.json)
      std::cout << fmt::format(
                       "{:>9} {:>11} {:>11} {:>8.2f} % {:>6.1f} % {:>10} {:>9.2f} {:>10} {:>10} {:>10}\n",
                       ranks, r.tasks, seconds_text(r.makespan_s), 100 * r.efficiency, 100 * r.master_load,
                       bytes_text(static_cast<double>(r.scheduler_bytes)), r.tail_idle_tasks, r.deaths,
                       seconds_text(r.lost_s), seconds_text(r.duplicate_s))
                << std::flush;
  }
  if (options.json) std::cout << json.dump() << "\n";
  return 0;
}

}  // namespace

void add_simulate_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("simulate", "Run the scheduler on a simulated cluster");
  sub->footer(footer);
  add_config_options(*sub, options->config, true);
  sub->get_option("config")->required(false);
  const auto number = [&](const char* name, double& into, const char* text, const char* unit) {
    sub->add_option(name, into, text)->type_name(unit)->check(CLI::NonNegativeNumber)->capture_default_str();
  };
  sub->add_option("--costs", options->costs, "Costs that `petavox calibrate` measured")->type_name("FILE");
  sub->add_option("--ranks", options->ranks, "Ranks, one or more numbers")
      ->delimiter(',')
      ->type_name("N,…")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24));
  sub->add_option("--shape", options->shape, "As if the input had so many voxels")
      ->delimiter(',')
      ->expected(3)
      ->type_name("Z,Y,X")
      ->check(CLI::Range(Index{1}, Index{1} << 30));
  sub->add_option("--blocks", options->blocks, "Blocks of a volume, instead of a configuration")
      ->check(CLI::Range(Index{1}, Index{1} << 36));
  sub->add_flag("--weak", options->weak, "--blocks for each rank instead of in all");
  sub->add_option("--steps", options->steps, "Steps of each block")->check(CLI::Range(1, 100));
  sub->add_option("--reach", options->reach, "How many blocks away a step reads")->check(CLI::Range(0, 4));
  sub->add_option("--masters", options->levels.masters,
                  "A model of masters that share blocks and workers; a run has one master")
      ->check(CLI::Range(1, 1 << 16));
  sub->add_option("--simulated-masters", options->levels.simulated,
                  "Of these, all alike, so many are simulated")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  number("--join-s", options->levels.join_s, "Joining what eight masters' reductions left, level by level",
         "S");
  number("--task-s", options->task_s, "Mean duration of a task", "S");
  number("--log-sigma", options->log_sigma, "Its spread: standard deviation of the logarithm", "X");
  number("--task-mb", options->task_mb, "What a task reads and writes", "MB");
  number("--stragglers", options->cluster.straggler_share, "Share of executions that take ten times as long",
         "X");
  number("--latency-us", options->latency_us, "Of a message, one way", "US");
  number("--master-us", options->master_us, "CPU of the master for a task", "US");
  number("--message-us", options->message_us, "… for a message that it gets", "US");
  number("--scan-ns", options->scan_ns, "… for each idle worker in each round of its loop", "NS");
  number("--commit-ms", options->commit_ms, "… for a group commit, twenty times a second", "MS");
  number("--worker-us", options->worker_us, "Overhead of a worker for a task", "US");
  number("--report-ms", options->report_ms, "Making results durable before they are reported", "MS");
  number("--disk-mb-s", options->disk_mb_s, "What the file system gives all together; 0: no limit", "MB");
  number("--mtbf-h", options->mtbf_h, "Mean time between failures of a worker; 0: none", "H");
  number("--restart-s", options->cluster.restart_s, "From a death to the next launch", "S");
  sub->add_option("--prefetch", options->simulation.scheduler.prefetch, "Tasks in flight for a worker")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  sub->add_option("--copies", options->simulation.scheduler.copies,
                  "Executions of a slow task at once, at most")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  sub->add_option("--seed", options->simulation.seed, "Of all draws")->capture_default_str();
  sub->add_flag("--metg", options->metg, "Print the task duration at which half of the time is work");
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] {
    command.config = &options->config;
    command.run = [options](const Session&) { return run(*options); };
  });
}

}  // namespace petavox::app
