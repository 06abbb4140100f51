// petavox: one program, one subcommand for each thing that it does.

#include "petavox/base/error.hpp"
#include "petavox/base/log.hpp"
#include "petavox/base/simd.hpp"
#include "petavox/comm/launch.hpp"
#include "petavox/comm/mpi_session.hpp"
#include "petavox/memory/kept_pages.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/setup.hpp"

#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Examples:\n"
    "  petavox run configs/phantom.yaml              one process\n"
    "  mpirun -n 4 petavox run configs/phantom.yaml  a master and its workers\n"
    "  petavox plan configs/fib25.yaml --ranks 64    what a run would cost\n"
    "  petavox stages watershed                      what a stage does and its parameters\n"
    "\n"
    "Exit codes: 0 done, 1 a bug, 2 configuration, 3 files, memory or disk, 4 finished with failed blocks,\n"
    "5 results differ, 75 interrupted (run the same command again to resume).";

/// The rank that the launcher gave to this process, without opening MPI.
int launched_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"})
    if (const char* text = std::getenv(name)) return std::atoi(text);
  return 0;
}

int run_command(const Command& command, int& argc, char**& argv) {
  const Launch launch = detect_launch();
  if ((command.collective || launched_rank() == 0) &&
      (command.loads_plugins || (command.config != nullptr && names_plugins(*command.config))))
    start_helpers();
  // Not before: what helpers may take of the address space is limited.
  keep_freed_pages();
  if (launch == Launch::mpi && command.collective)
    return run_guarded(argc, argv, [&](Communicator& communicator) {
      log::set_origin("rank " + std::to_string(communicator.rank()));
      return command.run({&communicator});
    });
  if (launch == Launch::mpi && launched_rank() != 0) return 0;
  require_connected_launch(launch);
  try {
    return command.run({});
  } catch (const Error& error) {
    log::error(error.what());
    return static_cast<int>(exit_code_of(error.code()));
  }
}

int main_without_exceptions(int argc, char** argv) {
  Command command;
  return_freed_blocks();
  simd::use_path_of_environment();
  CLI::App app{
      "petavox turns an electron-microscopy volume into a segmentation, on any number of processes, with one "
      "and the same answer.",
      "petavox"};
  app.require_subcommand(1);
  app.footer(footer);
  app.set_version_flag("--version", "petavox " PETAVOX_VERSION);
  bool quiet = false, verbose = false;
  app.add_flag("-q,--quiet", quiet, "Log warnings and errors only");
  app.add_flag("-v,--verbose", verbose, "Log more");
  add_run_command(app, command);
  add_plan_command(app, command);
  add_calibrate_command(app, command);
  add_simulate_command(app, command);
  add_verify_command(app, command);
  add_sweep_command(app, command);
  add_score_command(app, command);
  add_report_command(app, command);
  add_profile_command(app, command);
  add_supervise_command(app, command);
  add_status_command(app, command);
  add_slurm_command(app, command);
  add_info_command(app, command);
  add_stages_command(app, command);
  add_phantom_command(app, command);
  add_ingest_command(app, command);
  add_render_command(app, command);
  add_export_command(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    if (asked_for_help || launched_rank() == 0) app.exit(error, std::cout, std::cerr);
    return asked_for_help ? 0 : static_cast<int>(ExitCode::config);
  }
  log::set_level(quiet ? log::Level::warning : verbose ? log::Level::debug : log::Level::info);
  return run_command(command, argc, argv);
}

}  // namespace
}  // namespace petavox::app

int main(int argc, char** argv) {
  try {
    return petavox::app::main_without_exceptions(argc, argv);
  } catch (const petavox::Error& error) {
    petavox::log::error(error.what());
    return static_cast<int>(petavox::exit_code_of(error.code()));
  } catch (const std::bad_alloc&) {
    petavox::log::error("out of memory (the machine has no more); use smaller blocks or fewer processes");
    return static_cast<int>(petavox::ExitCode::io);
  } catch (const std::exception& error) {
    petavox::log::error(std::string{error.what()} + " (a bug in petavox); please report it");
    return static_cast<int>(petavox::ExitCode::internal);
  }
}
