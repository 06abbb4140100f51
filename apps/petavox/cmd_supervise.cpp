// petavox supervise: starts a run again when a rank, a node or the launcher has died, until it is complete.

#include "petavox/pipeline/config.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/setup.hpp"
#include "apps/petavox/supervisor.hpp"

#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "The command after -- is the one that you would give without it. When it dies it is started again and "
    "goes\n"
    "on from the journal; it ends when the run directory says so, whatever the launcher says. SIGUSR1, "
    "SIGTERM\n"
    "and Ctrl-C stop the run cleanly with exit code 75; a second one is less patient.\n"
    "Exit codes: 0 complete, 4 finished with failed blocks, 75 stopped, 2 wrong configuration, 3 given up.\n"
    "\n"
    "Examples:\n"
    "  petavox supervise -- mpirun -n 4 petavox run configs/phantom.yaml\n"
    "  petavox supervise --tries 5 -- petavox run configs/phantom.yaml --threads 4\n"
    "  petavox supervise --dir runs/mine -- ./my_launcher.sh\n"
    "  petavox supervise --requeue -- mpirun petavox run my.yaml      in a Slurm job, see docs/slurm.md";

/// The run directory of a command that holds "petavox run CONFIG …", or nothing if it holds none.
std::optional<std::string> directory_of(const std::vector<std::string>& command) {
  for (std::size_t i = 0; i + 1 < command.size(); ++i) {
    if (std::filesystem::path{command[i]}.filename() != "petavox") continue;
    std::size_t run = i + 1;
    while (run < command.size() && command[run].starts_with('-')) ++run;
    if (run == command.size() || command[run] != "run") continue;
    CLI::App parser;
    parser.allow_extras();
    parser.set_help_flag();
    ConfigOptions options;
    add_config_options(parser, options, true);
    std::vector<std::string> rest(command.rbegin(), command.rend() - static_cast<std::ptrdiff_t>(run) - 1);
    try {
      parser.parse(rest);
    } catch (const CLI::ParseError&) {
      return std::nullopt;
    }
    if (!options.out.empty()) options.overrides.push_back("output.dir=" + options.out);
    Problems problems;
    const RunConfig config = load_config(options.config, options.overrides, problems);
    problems.throw_if_any();
    return config.output_dir.string();
  }
  return std::nullopt;
}

int run(SuperviseOptions& options) {
  if (options.directory.empty()) {
    const auto found = directory_of(options.command);
    if (!found)
      throw Error{ErrorCode::config,
                  "the command does not say `petavox run CONFIG` (which directory would tell when the run is "
                  "complete?); give --dir DIR"};
    options.directory = *found;
  }
  return supervise(options);
}

}  // namespace

void add_supervise_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<SuperviseOptions>();
  CLI::App* sub = app.add_subcommand("supervise", "Start a run again until it is complete");
  sub->footer(footer);
  sub->add_option("--dir", options->directory, "Directory of the run, where the command does not tell it")
      ->type_name("DIR");
  sub->add_option("--tries", options->tries, "Give up after so many launches in a row without progress")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  sub->add_option("--wait", options->first_wait_s,
                  "Seconds before the next launch; doubled after each one without progress, up to a minute")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(0.0, 60.0));
  sub->add_option("--grace", options->stop_grace_s, "Seconds for a clean stop, before the command is ended")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(1.0, 3600.0));
  sub->add_option("--end-grace", options->end_grace_s,
                  "Seconds for the command to end after the run has; five times as long if none of its "
                  "processes is left")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(1.0, 3600.0));
  sub->add_flag("--requeue", options->requeue,
                "In a Slurm job: after SIGUSR1 and a clean stop, have the job run again");
  sub->add_option("command", options->command, "What to run, after --")->required()->type_name("COMMAND…");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
