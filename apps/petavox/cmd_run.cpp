// petavox run: from a configuration to results, on one process, on threads as ranks, or under mpirun.

#include "petavox/base/log.hpp"
#include "petavox/comm/communicator.hpp"
#include "petavox/run/run.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/metrics.hpp"
#include "apps/petavox/plan_text.hpp"
#include "apps/petavox/profile_text.hpp"
#include "apps/petavox/progress_view.hpp"
#include "apps/petavox/report_page.hpp"
#include "apps/petavox/run_report.hpp"
#include "apps/petavox/setup.hpp"

#include <cstdlib>
#include <iostream>
#include <optional>

#include <CLI/CLI.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Under mpirun or srun, rank 0 is the master and the others work; without, one process does everything.\n"
    "Several cores: one rank for each, or fewer ranks with --threads (docs/decisions/0008-threads.md).\n"
    "A run that was stopped goes on where it was when the same command is given again.\n"
    "The last line on standard output is `digest <hex>`: equal digests mean equal results, whatever the "
    "block\n"
    "shape, the number of ranks or the number of interruptions.\n"
    "\n"
    "Examples:\n"
    "  petavox run configs/phantom.yaml\n"
    "  petavox run configs/phantom.yaml --threads 4\n"
    "  mpirun -n 4 petavox run configs/phantom.yaml --set blocks.shape=[64,64,64]\n"
    "  petavox run configs/phantom.yaml --out /tmp/mine --set input.path=raw.h5 --set input.dataset=/raw\n"
    "  petavox run configs/fib25.yaml --set stages.agglomerate.threshold=0.5 --reuse\n"
    "  petavox run configs/phantom.yaml --profile         then open runs/phantom/profile/trace.json in "
    "Perfetto";

struct Options {
  ConfigOptions config;
  RunOptions run;
  bool serial = false, dry_run = false, json = false, no_progress = false;
  int loopback = 0;
  std::string metrics;
  std::string costs;
};

/// What rank 0 found, for all: so that one fault of the user is reported once.
int agreed_verdict(Communicator& communicator, const std::optional<Error>& own) {
  const int code = own ? static_cast<int>(exit_code_of(own->code())) : 0;
  const Bytes first = communicator.broadcast(Bytes{static_cast<std::byte>(code)}, 0);
  const int verdict = agree_verdict(communicator, code);
  const bool first_failed = std::to_integer<int>(first.front()) != 0;
  if (own && (communicator.rank() == 0 || !first_failed)) log::error(own->what());
  return verdict;
}

/// The table or object, with the trace written. What goes wrong here is no failure of the run.
std::string profile_of(const std::string& directory, bool json) {
  try {
    const OutputRoot root = OutputRoot::open(directory);
    const Profile profile = read_profile(root);
    const std::string trace = write_profile_trace(root);
    return json ? profile_json(profile, trace) : profile_text(profile, trace) + "\n";
  } catch (const Error& error) {
    log::warning(error.what());
    return {};
  }
}

/// Where the master's progress goes: to the terminal or log, to whoever asks for metrics, or nowhere.
std::function<void(const Progress&)> progress_sink(const Options& options, MetricsServer* metrics) {
  std::function<void(const Progress&)> print;
  if (!options.no_progress && log::level() <= log::Level::info) print = progress_printer();
  return [print, metrics](const Progress& progress) {
    if (print) print(progress);
    if (metrics != nullptr) metrics->show(progress);
  };
}

int run(const Options& options, const Session& session) {
  if (options.serial && options.loopback > 0)
    throw Error{ErrorCode::config,
                "--serial and --loopback exclude each other (one executor runs); give one"};
  if (options.serial && options.config.threads > 1)
    throw Error{ErrorCode::config,
                "--serial and --threads exclude each other (serial is one thread); give one"};
  Communicator* communicator = session.communicator;
  if (communicator != nullptr && (options.serial || options.loopback > 0))
    throw Error{
        ErrorCode::config,
        "--serial and --loopback are for a program started alone (every rank would run everything); leave "
        "mpirun or the option out"};
  const bool first = communicator == nullptr || communicator->rank() == 0;
  std::unique_ptr<MetricsServer> metrics;
  std::optional<Pipeline> pipeline;
  std::optional<Costs> costs;
  std::optional<Error> failure;
  try {
    if (!options.costs.empty()) costs = read_costs(options.costs);
    pipeline.emplace(options.config);
    if (first && !options.metrics.empty() && !options.dry_run)
      metrics = std::make_unique<MetricsServer>(options.metrics);
  } catch (const Error& error) {
    failure = error;
  }
  if (communicator != nullptr) {
    if (const int verdict = agreed_verdict(*communicator, failure); verdict != 0) {
      if (first && options.json && failure) std::cout << error_json(*failure) << std::endl;
      return verdict;
    }
  } else if (failure) {
    if (options.json) std::cout << error_json(*failure) << std::endl;
    throw *failure;
  }
  if (first)
    for (const std::string& note : pipeline->notes()) log::info(note);
  Machine machine;
  machine.ranks = communicator != nullptr ? communicator->size() : std::max(1, options.loopback);
  if (options.dry_run) {
    if (first)
      std::cout << (options.json ? plan_json(*pipeline, machine, costs)
                                 : plan_text(*pipeline, machine, costs))
                << std::flush;
    return 0;
  }

  install_stop_handlers();
  RunOptions run_options = options.run;
  if (first) run_options.on_progress = progress_sink(options, metrics.get());
  if (first) run_options.prediction = plan_json(*pipeline, machine, costs);
  RunReport report;
  if (communicator != nullptr)
    report = run_distributed(pipeline->plan(), pipeline->inputs(), *communicator, run_options);
  else if (options.loopback > 0 || (pipeline->config().threads > 1 && !options.serial))
    report = run_loopback(pipeline->plan(), pipeline->inputs(), std::max(1, options.loopback), run_options);
  else
    report = run_serial(pipeline->plan(), pipeline->inputs(), run_options);
  if (first) {
    log_failures(report);
    write_report(OutputRoot::open(report.output_dir), pipeline->inputs(), report.complete);
    std::string profile;
    if (options.run.profile) profile = profile_of(report.output_dir, options.json);
    std::cout << (options.json ? report_json(report, profile) : profile + report_text(report)) << std::flush;
  }
  if (report.must_exit_at_once) {
    log::error("a stage never returned; the process ends without waiting for it");
    std::_Exit(static_cast<int>(report.exit_code));
  }
  return static_cast<int>(report.exit_code);
}

}  // namespace

void add_run_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("run", "Run a configuration");
  sub->footer(footer);
  add_config_options(*sub, options->config, true);
  sub->add_flag("--serial", options->serial, "One process, one thread, whatever run.threads says");
  sub->add_option("--loopback", options->loopback, "Threads of this process as ranks")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  sub->add_flag("--dry-run", options->dry_run, "Check everything, print the plan, run nothing");
  sub->add_flag("--reuse", options->run.reuse,
                "In an output of another configuration, keep what did not change");
  sub->add_flag("--retry-quarantined", options->run.retry_quarantined,
                "Try the blocks again that ended their workers in earlier launches");
  sub->add_option("--schedule-seed", options->run.schedule_seed,
                  "Other than 0: hand tasks out in another order (no result depends on it)");
  sub->add_flag("--profile", options->run.profile,
                "Print where the time went, step by step, and write a trace (docs/profile.md)");
  sub->add_option("--costs", options->costs,
                  "Costs that `petavox calibrate` measured: the report says what was planned")
      ->type_name("FILE");
  sub->add_flag("--no-progress", options->no_progress, "No progress on standard error");
  sub->add_option(
         "--metrics", options->metrics,
         "Serve progress to Prometheus at http://ADDR:PORT/metrics, from rank 0; without ADDR on 127.0.0.1")
      ->type_name("[ADDR:]PORT");
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] {
    command.run = [options](const Session& session) { return run(*options, session); };
    command.config = &options->config;
    command.collective = true;
  });
}

}  // namespace petavox::app
