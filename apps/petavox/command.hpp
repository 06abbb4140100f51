#pragma once
// The seam between main() and the subcommands: each file cmd_*.cpp declares its options to CLI11 and, when it
// is the one that was called, leaves behind what is to be done. Results go to standard output, everything
// else to standard error. A command ends with an exit code of petavox/base/error.hpp, or throws Error.

#include <functional>

namespace CLI {
class App;
}

namespace petavox {
class Communicator;
}

namespace petavox::app {

struct ConfigOptions;

/// What a command has at hand when it runs.
struct Session {
  Communicator* communicator =
      nullptr;  ///< nothing without MPI; always set for collective commands under MPI
};

/// What the user asked for.
struct Command {
  std::function<int(const Session&)> run;
  /// Runs on every rank of an MPI launch; other commands run on the first rank only, and MPI is never opened.
  bool collective = false;
  /// What the command reads, if it does; lives as long as `run`. Whether it names plugins must be known
  /// before MPI is opened, since only then a process for them can be started.
  const ConfigOptions* config = nullptr;
  bool loads_plugins = false;  ///< without a configuration
};

// Each adds its subcommand to `app`; its callback fills in `command`.
void add_run_command(CLI::App& app, Command& command);
void add_plan_command(CLI::App& app, Command& command);
void add_calibrate_command(CLI::App& app, Command& command);
void add_simulate_command(CLI::App& app, Command& command);
void add_verify_command(CLI::App& app, Command& command);
void add_sweep_command(CLI::App& app, Command& command);
void add_report_command(CLI::App& app, Command& command);
void add_profile_command(CLI::App& app, Command& command);
void add_supervise_command(CLI::App& app, Command& command);
void add_status_command(CLI::App& app, Command& command);
void add_slurm_command(CLI::App& app, Command& command);
void add_score_command(CLI::App& app, Command& command);
void add_info_command(CLI::App& app, Command& command);
void add_stages_command(CLI::App& app, Command& command);
void add_phantom_command(CLI::App& app, Command& command);
void add_ingest_command(CLI::App& app, Command& command);
void add_render_command(CLI::App& app, Command& command);
void add_export_command(CLI::App& app, Command& command);

}  // namespace petavox::app
