#include "apps/petavox/setup.hpp"

#include "petavox/pipeline/plugins.hpp"
#include "petavox/pipeline/stage_programs.hpp"

#include "stages/register.hpp"

#include "apps/petavox/where.hpp"

#include <CLI/CLI.hpp>

namespace petavox::app {

namespace {

std::shared_ptr<isolation::HelperPool> helpers;

void add_plugin(const PluginSpec& plugin, Isolation isolation, StageRegistry& registry) {
  if (isolation == Isolation::none) {
    load_plugin(plugin, registry, helpers.get());
    return;
  }
  if (!helpers)
    throw Error{ErrorCode::config,
                "plugin " + plugin.file.string() +
                    " cannot run in a process of its own here (this command starts none); use "
                    "`petavox run` or `petavox plan`"};
  isolate_plugin(plugin, registry, helpers);
}

std::vector<std::string> overrides_of(const ConfigOptions& options) {
  std::vector<std::string> overrides = options.overrides;
  if (!options.out.empty()) overrides.push_back("output.dir=" + options.out);
  if (options.threads > 0) overrides.push_back("run.threads=" + std::to_string(options.threads));
  if (!options.isolation.empty()) overrides.push_back("run.isolation=" + options.isolation);
  return overrides;
}

}  // namespace

void start_helpers() {
  helpers = std::make_shared<isolation::HelperPool>(isolation::HelperServer::start(
      [](const std::filesystem::path& file, const std::string& sha256, StageRegistry& registry) {
        load_plugin({file, sha256}, registry);
      }));
}

bool names_plugins(const ConfigOptions& options) {
  // What a directory of a run holds is known when it is opened.
  std::error_code ignored_error;
  if (!options.plugins.empty() || std::filesystem::is_directory(options.config, ignored_error)) return true;
  try {
    Problems ignored;  // whoever loads it for good reports them
    return !load_config(options.config, overrides_of(options), ignored).plugins.empty();
  } catch (const Error&) {
    return false;
  }
}

void add_plugin_options(CLI::App& command, std::vector<std::string>& plugins, std::string& isolation) {
  command.add_option("--plugin", plugins, "Load stages from a shared library; may be repeated")
      ->type_name("LIB.so")
      ->allow_extra_args(false);
  command
      .add_option("--isolation", isolation,
                  "Where plugins run: none (in this process) or process (in processes of their own)")
      ->type_name("none|process")
      ->check(CLI::IsMember({"none", "process"}));
}

void add_config_options(CLI::App& command, ConfigOptions& options, bool with_out) {
  command.add_option("config", options.config, "The YAML file")->required()->type_name("CONFIG");
  command
      .add_option(
          "--set", options.overrides,
          "Override one setting, for example blocks.shape=[64,64,64]; may be repeated. Relative paths are "
          "relative to the current directory")
      ->type_name("key.path=value")
      ->allow_extra_args(false);
  add_plugin_options(command, options.plugins, options.isolation);
  if (with_out)
    command.add_option("--out", options.out, "Directory of the run, instead of output.dir")->type_name("DIR");
  command
      .add_option("--threads", options.threads, "Tasks that each rank runs at once, instead of run.threads")
      ->type_name("N")
      ->check(CLI::Range(1, max_threads));
}

StageRegistry make_registry(const std::vector<std::string>& plugins, Isolation isolation) {
  StageRegistry registry;
  register_stages(registry);
  for (const std::string& file : plugins) add_plugin({file, ""}, isolation, registry);
  return registry;
}

namespace {

/// What is wrong with the file or with the stages goes to `problems`; throws Error{config} for what hides the
/// rest.
RunConfig load(const ConfigOptions& options, StageRegistry& registry, Problems& problems) {
  RunConfig config = load_config(options.config, overrides_of(options), problems);
  if (helpers) {
    isolation::PoolLimits limits;
    limits.memory_bytes = config.memory_isolated_bytes;
    // A block that takes longer must fail before its rank is given up.
    limits.block_s = 0.75 * config.lease_s;
    helpers->set_limits(limits);
  }
  registry = make_registry(options.plugins, config.isolation);
  for (const PluginSpec& plugin : config.plugins) add_plugin(plugin, config.isolation, registry);
  skip_stages_without_inputs(config, registry);
  return config;
}

}  // namespace

RunConfig load_run_config(const ConfigOptions& options, StageRegistry& registry) {
  Problems problems;
  RunConfig config = load(options, registry, problems);
  check_stages(config, registry, problems);
  problems.throw_if_any();
  return config;
}

Pipeline::Pipeline(const ConfigOptions& options) {
  Problems problems;
  config_ = load(options, registry_, problems);
  // Inputs that were described wrongly would only be reported twice.
  const bool openable = problems.empty();
  check_stages(config_, registry_, problems);
  build(problems, openable);
}

Pipeline::Pipeline(RunConfig config, const StageRegistry& registry)
    : registry_{registry}, config_{std::move(config)} {
  Problems problems;
  build(problems, true);
}

void Pipeline::build(Problems& problems, bool openable) {
  if (openable) inputs_ = InputSet::open(config_, open_input, problems);
  problems.throw_if_any();
  plan_ = make_plan(config_, registry_, inputs_->infos());
}

std::vector<std::string> Pipeline::notes() const {
  std::vector<std::string> notes = config_.notes;
  notes.insert(notes.end(), plan_->notes().begin(), plan_->notes().end());
  const std::filesystem::path& main = config_.main_input().path;
  if (is_tile_list(main)) {
    const std::vector<std::string>& problems = open_tile_set(main)->list().problems;
    notes.insert(notes.end(), problems.begin(), problems.end());
  }
  return notes;
}

}  // namespace petavox::app
