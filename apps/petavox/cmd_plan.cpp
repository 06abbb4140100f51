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
    "  petavox plan configs/fib25.yaml --ranks 64 --set blocks.shape=[128,128,128] --json";

struct Options {
  ConfigOptions config;
  int ranks = 1;
  bool json = false;
};

int run(const Options& options) {
  const Pipeline pipeline{options.config};
  std::cout << (options.json ? plan_json(pipeline, options.ranks) : plan_text(pipeline, options.ranks));
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
  sub->add_option("--ranks", options->ranks, "Ranks that would run it")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24));
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
