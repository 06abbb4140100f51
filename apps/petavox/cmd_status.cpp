// petavox status: how a run stands, from another shell or node, while it works and after.

#include "petavox/base/units.hpp"
#include "petavox/run/rank_log.hpp"
#include "petavox/run/run_status.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/progress_view.hpp"
#include "apps/petavox/status_text.hpp"

#include <chrono>
#include <iostream>
#include <thread>

#include <CLI/CLI.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Reads the journal of the run, takes no lock, changes nothing. State: running; silent (the master is on\n"
    "another host and has given no sign of life for a minute); stopped; failed; complete.\n"
    "Exit code 0 whatever the state; 3 if the directory holds no run.\n"
    "\n"
    "Examples:\n"
    "  petavox status runs/phantom\n"
    "  petavox status runs/phantom --watch 2      until it is over\n"
    "  petavox status runs/phantom --json | jq .left_s\n"
    "  petavox status runs/phantom --log          what all ranks logged, by time\n"
    "  petavox status runs/phantom --log --json   the same, a JSON object a line";

struct Options {
  std::string directory;
  double watch_s = 0;
  bool json = false, log = false;
};

int print_log(const OutputRoot& root, bool json) {
  for (const LogLine& line : read_logs(root)) {
    if (json)
      std::cout << log_line_json(line) << "\n";
    else
      std::cout << utc_text(line.unix_ns) << " launch " << line.generation << " rank " << line.rank << " on "
                << line.host << " " << line.level << ": " << line.text << "\n";
  }
  return 0;
}

/// Draws until the run is over.
void watch(StatusReader& reader, RunStatus& status, double seconds) {
  while (status.state == RunState::running || status.state == RunState::silent) {
    const TerminalSize size = terminal_size();
    draw(progress_view(progress_of(status), size.columns - 1, size.rows - 1), false);
    std::this_thread::sleep_for(std::chrono::duration<double>{seconds});
    status = reader.read();
  }
  draw({}, true);
}

int run(const Options& options) {
  const OutputRoot root = OutputRoot::open(options.directory);
  if (options.log) return print_log(root, options.json);
  StatusReader reader{root};
  RunStatus status = reader.read();
  if (options.watch_s > 0) watch(reader, status, options.watch_s);
  std::cout << (options.json ? status_json(options.directory, status)
                             : status_text(options.directory, status));
  return 0;
}

}  // namespace

void add_status_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("status", "Print how a run stands, while it works and after");
  sub->footer(footer);
  sub->add_option("directory", options->directory, "Directory of the run")->required()->type_name("RUN_DIR");
  sub->add_option("--watch", options->watch_s, "Show it every S seconds until the run is over")
      ->type_name("S")
      ->check(CLI::Range(0.1, 3600.0));
  sub->add_flag("--log", options->log, "Print the logs of all ranks, merged by time, instead");
  sub->add_flag("--json", options->json, "Print JSON instead of text");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
