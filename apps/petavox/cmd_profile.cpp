// petavox profile: where the time of a run went, from what its threads wrote down.

#include "apps/petavox/command.hpp"
#include "apps/petavox/profile_text.hpp"

#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "For runs that were started with --profile, finished or not: after a crash it shows what was written "
    "until\n"
    "then, and all launches of a run together. docs/profile.md explains the columns.\n"
    "\n"
    "Examples:\n"
    "  mpirun -n 4 petavox run configs/phantom.yaml --profile\n"
    "  petavox profile runs/phantom\n"
    "  petavox profile runs/phantom --json";

struct Options {
  std::string directory;
  bool json = false;
};

int run(const Options& options) {
  const OutputRoot root = OutputRoot::open(options.directory);
  const Profile profile = read_profile(root);
  const std::string trace = write_profile_trace(root);
  std::cout << (options.json ? profile_json(profile, trace) + "\n" : profile_text(profile, trace));
  return 0;
}

}  // namespace

void add_profile_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("profile", "Print where the time of a run went, and write a trace");
  sub->footer(footer);
  sub->add_option("directory", options->directory, "Directory of the run")->required()->type_name("RUN_DIR");
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
