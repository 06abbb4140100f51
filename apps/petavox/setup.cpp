#include "apps/petavox/setup.hpp"

#include "petavox/pipeline/plugins.hpp"
#include "petavox/pipeline/stage_programs.hpp"

#include "stages/register.hpp"

#include "apps/petavox/where.hpp"

#include <CLI/CLI.hpp>

namespace petavox::app {

void add_plugin_option(CLI::App& command, std::vector<std::string>& plugins) {
  command.add_option("--plugin", plugins, "Load stages from a shared library; may be repeated")
      ->type_name("LIB.so")
      ->allow_extra_args(false);
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
  add_plugin_option(command, options.plugins);
  if (with_out)
    command.add_option("--out", options.out, "Directory of the run, instead of output.dir")->type_name("DIR");
  command
      .add_option("--threads", options.threads, "Tasks that each rank runs at once, instead of run.threads")
      ->type_name("N")
      ->check(CLI::Range(1, max_threads));
}

StageRegistry make_registry(const std::vector<std::string>& plugins) {
  StageRegistry registry;
  register_stages(registry);
  for (const std::string& file : plugins) load_plugin(file, registry);
  return registry;
}

namespace {

/// What is wrong with the file or with the stages goes to `problems`; throws Error{config} for what hides the
/// rest.
RunConfig load(const ConfigOptions& options, StageRegistry& registry, Problems& problems) {
  std::vector<std::string> overrides = options.overrides;
  if (!options.out.empty()) overrides.push_back("output.dir=" + options.out);
  if (options.threads > 0) overrides.push_back("run.threads=" + std::to_string(options.threads));
  RunConfig config = load_config(options.config, overrides, problems);
  registry = make_registry(options.plugins);
  for (const std::filesystem::path& file : config.plugins) load_plugin(file, registry);
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
