// petavox plan: what a run would read, write, keep in memory and leave on disk.

#include "apps/petavox/command.hpp"
#include "apps/petavox/plan_text.hpp"

#include <iostream>

#include <CLI/CLI.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Reads the configuration and the headers of its inputs, no voxels.\n"
    "\n"
    "Examples:\n"
    "  petavox plan configs/phantom.yaml\n"
    "  petavox calibrate configs/fib25.yaml --out costs.json    then with time, core-hours and bandwidth:\n"
    "  petavox plan configs/fib25.yaml --costs costs.json --ranks 64 --disk-mb-s 2000\n"
    "  petavox plan configs/fib25.yaml --ranks 64 --set blocks.shape=[128,128,128] --json";

struct Options {
  ConfigOptions config;
  Machine machine;
  double disk_mb_s = 0;
  std::string costs;
  bool json = false;
};

int run(const Options& options) {
  const Pipeline pipeline{options.config};
  std::optional<Costs> costs;
  if (!options.costs.empty()) costs = read_costs(options.costs);
  Machine machine = options.machine;
  machine.disk_bytes_s = 1e6 * options.disk_mb_s;
  std::cout << (options.json ? plan_json(pipeline, machine, costs) : plan_text(pipeline, machine, costs));
  if (!options.json)
    for (const std::string& note : pipeline.notes()) std::cout << "note: " << note << "\n";
  return 0;
}

}  // namespace

void add_plan_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("plan", "Print what a run would cost");
  sub->footer(footer);
  add_config_options(*sub, options->config, true);
  sub->add_option("--ranks", options->machine.ranks, "Ranks that would run it")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24));
  sub->add_option("--costs", options->costs, "Costs that `petavox calibrate` measured")->type_name("FILE");
  sub->add_option("--cores", options->machine.cores,
                  "Cores of all ranks together (default: one for each thread)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24));
  sub->add_option("--disk-mb-s", options->disk_mb_s,
                  "What the file system gives all ranks together (default: as calibrated)")
      ->type_name("MB")
      ->check(CLI::PositiveNumber);
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] {
    command.config = &options->config;
    command.run = [options](const Session&) { return run(*options); };
  });
}

}  // namespace petavox::app
