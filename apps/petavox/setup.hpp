#pragma once
// What the commands that take a configuration share: the options, the stages that there are, and the way from
// a file to a plan.

#include "petavox/pipeline/plan.hpp"
#include "petavox/run/inputs.hpp"

#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace petavox::app {

struct ConfigOptions {
  std::string config;
  std::vector<std::string> overrides, plugins;
  std::string out;        ///< output.dir, if not empty
  std::string isolation;  ///< run.isolation, if not empty
  int threads = 0;        ///< run.threads, if not 0
};

/// Adds CONFIG, --set and --plugin, and --out if asked, to a subcommand.
void add_config_options(CLI::App& command, ConfigOptions& options, bool with_out);
/// Adds --plugin and --isolation alone.
void add_plugin_options(CLI::App& command, std::vector<std::string>& plugins, std::string& isolation);

/// Starts the process in which helpers for plugins begin: once, before MPI is opened. Without it plugins are
/// loaded unprobed, and cannot be isolated.
void start_helpers();
/// Whether the options or the configuration that they name ask for plugins; false too if it cannot be read.
bool names_plugins(const ConfigOptions& options);

/// The built-in stages and those of the plugins.
StageRegistry make_registry(const std::vector<std::string>& plugins, Isolation isolation);

/// A configuration with all that it names: stages, inputs, plan. Not movable: the plan refers to its parts.
class Pipeline {
 public:
  /// Throws Error{config} with every problem.
  explicit Pipeline(const ConfigOptions& options);
  /// Another run of stages that are known already, for `verify` and `sweep`.
  Pipeline(RunConfig config, const StageRegistry& registry);

  const RunConfig& config() const { return config_; }
  const StageRegistry& registry() const { return registry_; }
  const InputSet& inputs() const { return *inputs_; }
  const Plan& plan() const { return *plan_; }
  /// Notes of the configuration and of the plan.
  std::vector<std::string> notes() const;

 private:
  void build(Problems& problems, bool openable);

  StageRegistry registry_;  // before config_, which is read with it
  RunConfig config_;
  std::unique_ptr<InputSet> inputs_;
  std::unique_ptr<Plan> plan_;
};

/// The configuration alone, checked, with the stages that it needs added to `registry`.
RunConfig load_run_config(const ConfigOptions& options, StageRegistry& registry);

}  // namespace petavox::app
