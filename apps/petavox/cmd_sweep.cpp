// petavox sweep: one configuration with several values of a few settings, without doing anything twice, and a
// table of the scores.

#include "petavox/base/log.hpp"
#include "petavox/run/run.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/run_report.hpp"
#include "apps/petavox/setup.hpp"

#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* footer =
    "All runs share the output directory: stages that a setting does not reach are done once. With several "
    "--param\n"
    "all combinations are run, the last one changing fastest. What is left in the directory is the last "
    "run.\n"
    "\n"
    "Examples:\n"
    "  petavox sweep configs/phantom.yaml --param stages.agglomerate.threshold=0.3,0.4,0.5\n"
    "  petavox sweep configs/fib25.yaml --out /tmp/sweep --param stages.watershed.threshold_low=0.1,0.2 \\\n"
    "      --param stages.agglomerate.threshold=0.4,0.5 --loopback 2 --json";

struct Options {
  ConfigOptions config;
  std::vector<std::string> params;
  int loopback = 0;
  bool json = false;
};

struct Param {
  std::string key;
  std::vector<std::string> values;
};

/// "key=a,b,c"; commas inside brackets belong to a value.
Param parse_param(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    throw Error{ErrorCode::config, "--param '" + text +
                                       "' has no values (there is nothing to vary); write "
                                       "key.path=value,value"};
  Param param{text.substr(0, equals), {""}};
  int depth = 0;
  for (const char c : text.substr(equals + 1)) {
    depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    if (c == ',' && depth == 0)
      param.values.emplace_back();
    else
      param.values.back() += c;
  }
  return param;
}

std::vector<std::vector<std::string>> combinations(const std::vector<Param>& params) {
  std::vector<std::vector<std::string>> all{{}};
  for (const Param& param : params) {
    std::vector<std::vector<std::string>> longer;
    for (const auto& values : all)
      for (const std::string& value : param.values) {
        longer.push_back(values);
        longer.back().push_back(value);
      }
    all = std::move(longer);
  }
  if (all.size() > 10'000)
    throw Error{ErrorCode::config,
                fmt::format("the parameters have {} combinations (more than 10000 would not end); vary "
                            "fewer at a time",
                            all.size())};
  return all;
}

const std::vector<std::string> columns{"voi_split", "voi_merge", "adapted_rand_error", "cremi_score"};

/// The first summary that has scores in it.
Json scores_of(const RunReport& report) {
  for (const auto& [name, text] : report.summaries) {
    Json json = Json::parse(text, nullptr, false);
    if (json.is_object() && json.contains("voi_split")) return json;
  }
  return {};
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }
std::size_t width_of(const Param& param) {
  return std::max<std::size_t>(12, last_part(param.key).size()) + 2;
}

std::string row_of(const std::vector<Param>& params, const std::vector<std::string>& values,
                   const Json& scores, const RunReport& report) {
  std::string row;
  for (std::size_t i = 0; i < values.size(); ++i)
    row += fmt::format("{:>{}}", values[i], width_of(params[i]));
  for (const std::string& column : columns)
    row += scores.is_object() ? fmt::format("{:>20.6f}", scores[column].get<double>())
                              : fmt::format("{:>20}", "-");
  if (scores.is_object())
    row += fmt::format("{:>12.6f}", scores["voi_split"].get<double>() + scores["voi_merge"].get<double>());
  else
    row += fmt::format("{:>12}", "-");
  return row + fmt::format("{:>10}{:>10}  {}\n", report.tasks_run, report.tasks_resumed,
                           report.complete ? to_hex(report.digest) : "incomplete");
}

std::string heading(const std::vector<Param>& params) {
  std::string row;
  for (const Param& param : params) row += fmt::format("{:>{}}", last_part(param.key), width_of(param));
  for (const std::string& column : columns) row += fmt::format("{:>20}", column);
  return row + fmt::format("{:>12}{:>10}{:>10}  digest\n", "voi_sum", "run", "reused");
}

int run(const Options& options) {
  std::vector<Param> params;
  for (const std::string& text : options.params) params.push_back(parse_param(text));
  install_stop_handlers();
  Json json{{"runs", Json::array()}};
  if (!options.json) std::cout << heading(params) << std::flush;
  ExitCode worst = ExitCode::done;
  for (const auto& values : combinations(params)) {
    ConfigOptions config = options.config;
    for (std::size_t i = 0; i < params.size(); ++i)
      config.overrides.push_back(params[i].key + "=" + values[i]);
    const Pipeline pipeline{config};
    RunOptions run_options;
    run_options.reuse = true;
    run_options.keep_packs = true;
    const RunReport report =
        options.loopback > 0 ? run_loopback(pipeline.plan(), pipeline.inputs(), options.loopback, run_options)
                             : run_serial(pipeline.plan(), pipeline.inputs(), run_options);
    log_failures(report);
    const Json scores = scores_of(report);
    Json entry{{"params", Json::object()}};
    for (std::size_t i = 0; i < params.size(); ++i) entry["params"][params[i].key] = values[i];
    entry["scores"] = scores;
    entry["tasks_run"] = report.tasks_run;
    entry["tasks_resumed"] = report.tasks_resumed;
    entry["digest"] = report.complete ? to_hex(report.digest) : "incomplete";
    json["runs"].push_back(std::move(entry));
    if (!options.json) std::cout << row_of(params, values, scores, report) << std::flush;
    if (report.exit_code != ExitCode::done) worst = report.exit_code;
    if (report.exit_code == ExitCode::interrupted) break;
  }
  if (options.json) std::cout << json.dump() << "\n";
  return static_cast<int>(worst);
}

}  // namespace

void add_sweep_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("sweep", "Run several values of a setting and print the scores");
  sub->footer(footer);
  add_config_options(*sub, options->config, true);
  sub->add_option("--param", options->params, "A setting and its values; may be repeated")
      ->required()
      ->type_name("key.path=a,b,c")
      ->allow_extra_args(false);
  sub->add_option("--loopback", options->loopback, "Threads of this process as ranks")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  sub->add_flag("--json", options->json, "Print one JSON object instead of a table");
  sub->callback([options, &command] {
    command.config = &options->config;
    command.run = [options](const Session&) { return run(*options); };
  });
}

}  // namespace petavox::app
