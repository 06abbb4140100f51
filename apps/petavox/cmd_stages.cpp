// petavox stages: the stages that there are, and what each reads, writes and can be told.

#include "petavox/stage/registry.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/setup.hpp"

#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* footer =
    "Halos and types are those for the defaults, a uint8 input and voxels of 1 nm.\n"
    "\n"
    "Examples:\n"
    "  petavox stages\n"
    "  petavox stages watershed\n"
    "  petavox stages my_stage --plugin ./libmy_stage.so --json";

struct Options {
  std::string name;
  std::vector<std::string> plugins;
  std::string isolation;
  bool json = false;
};

Json halo_json(const Halo& halo) {
  return {{"low", {halo.low.z, halo.low.y, halo.low.x}}, {"high", {halo.high.z, halo.high.y, halo.high.x}}};
}

Json reads_json(const InPort& port) {
  Json json{{"port", port.name},
            {"kind", name_of(port.kind)},
            {"volume", port.volume.empty() ? port.name : port.volume},
            {"optional", port.optional}};
  if (port.kind == PortKind::image) {
    json["accepts"] = to_string(port.accepts);
    json["channels"] = port.channels;
  }
  json["halo"] = halo_json(port.reads.halo);
  json["factor"] = {port.reads.factor.z, port.reads.factor.y, port.reads.factor.x};
  json["divisor"] = {port.reads.divisor.z, port.reads.divisor.y, port.reads.divisor.x};
  json["whole"] = {port.reads.whole[0], port.reads.whole[1], port.reads.whole[2]};
  return json;
}

Json writes_json(const OutPort& port) {
  Json json{{"port", port.name}, {"kind", name_of(port.kind)}};
  if (port.kind == PortKind::image) {
    json["dtype"] = port.dtype ? name_of(*port.dtype) : "as read";
    json["channels"] = port.channels;
  }
  json["factor"] = {port.factor.z, port.factor.y, port.factor.x};
  return json;
}

/// Everything that can be known of a stage without a configuration. Its constructor is called with no
/// parameters: what it asks for are the parameters that there are.
Json describe(const StageType& type) {
  Json json{{"name", type.name}, {"summary", type.summary}, {"origin", type.origin}};
  const Value none;
  Problems missing;
  Params params{none, "stages." + type.name, missing};
  json["parameters"] = Json::array();
  json["steps"] = Json::array();
  try {
    const StageProgram program = type.make(params);
    for (const StageProgram::Step& step : program.steps) {
      const Contract contract = std::visit([](const auto& s) { return s->contract(Setup{}); }, step);
      Json entry{{"kind", std::holds_alternative<std::unique_ptr<Stage>>(step) ? "map" : "reduction"},
                 {"reads", Json::array()},
                 {"writes", Json::array()}};
      for (const InPort& port : contract.reads) entry["reads"].push_back(reads_json(port));
      for (const OutPort& port : contract.writes) entry["writes"].push_back(writes_json(port));
      json["steps"].push_back(std::move(entry));
    }
    json["exports"] = program.exports;
  } catch (const Error& error) {
    json["note"] = std::string{"ports are known only with its parameters: "} + error.what();
  }
  for (const ParamSpec& spec : params.asked())
    json["parameters"].push_back({{"key", spec.key},
                                  {"type", spec.type},
                                  {"default", spec.required ? Json{} : Json(spec.default_text)},
                                  {"doc", spec.doc}});
  return json;
}

std::string halo_text(const Json& halo) {
  std::string out;
  for (const char* side : {"low", "high"}) {
    const Json& h = halo[side];
    const std::string one = h[0] == h[1] && h[1] == h[2]
                                ? h[0].dump()
                                : fmt::format("{},{},{}", h[0].dump(), h[1].dump(), h[2].dump());
    if (out.empty())
      out = one;
    else if (out != one)
      out += " below, " + one + " above";
  }
  return out;
}

std::string factor_text(const Json& factor) {
  if (factor == Json{1, 1, 1}) return "";
  return fmt::format(" scale 1/{},{},{}", factor[0].dump(), factor[1].dump(), factor[2].dump());
}

std::string text_of(const Json& stage) {
  const auto text = [](const Json& j) { return j.get<std::string>(); };
  std::string out =
      fmt::format("{}: {}\norigin {}\n", text(stage["name"]), text(stage["summary"]), text(stage["origin"]));
  if (stage.contains("note")) out += text(stage["note"]) + "\n";
  const bool many = stage["steps"].size() > 1;
  int number = 0;
  for (const Json& step : stage["steps"]) {
    if (many) out += fmt::format("\nstep {} ({})\n", ++number, text(step["kind"]));
    for (const Json& port : step["reads"]) {
      std::string type = port.contains("accepts") ? text(port["accepts"]) : "";
      if (port.contains("channels"))
        type += port["channels"] == 0 ? " x any" : " x " + port["channels"].dump();
      out += fmt::format("  reads  {:<16} {:<7} halo {:<8}{} from volume {}{}{}\n", text(port["port"]),
                         text(port["kind"]), halo_text(port["halo"]), factor_text(port["factor"]),
                         text(port["volume"]), port["optional"].get<bool>() ? " if connected" : "",
                         type.empty() ? "" : "; " + type);
    }
    for (const Json& port : step["writes"]) {
      std::string type = port.contains("dtype") ? text(port["dtype"]) : "";
      if (port.contains("channels"))
        type += port["channels"] == 0 ? " x as read" : " x " + port["channels"].dump();
      out += fmt::format("  writes {:<16} {:<7}{} {}\n", text(port["port"]), text(port["kind"]),
                         factor_text(port["factor"]), type);
    }
  }
  out += stage["parameters"].empty() ? "\nno parameters\n" : "\nparameters\n";
  for (const Json& parameter : stage["parameters"])
    out += fmt::format("  {:<24} {:<16} {:<12} {}\n", text(parameter["key"]), text(parameter["type"]),
                       parameter["default"].is_null() ? "required" : text(parameter["default"]),
                       text(parameter["doc"]));
  return out;
}

int run(const Options& options) {
  const StageRegistry registry =
      make_registry(options.plugins, options.isolation == "process" ? Isolation::process : Isolation::none);
  if (!options.name.empty()) {
    const StageType* type = registry.find(options.name);
    if (type == nullptr) {
      const std::string near = nearest_name(options.name, registry.names());
      throw Error{
          ErrorCode::config,
          fmt::format("there is no stage '{}' (neither built in nor in a plugin given); {}", options.name,
                      near.empty() ? "see `petavox stages`" : "did you mean '" + near + "'?")};
    }
    const Json stage = describe(*type);
    std::cout << (options.json ? stage.dump() + "\n" : text_of(stage));
    return 0;
  }
  Json all = Json::array();
  for (const auto& [name, type] : registry.types()) {
    if (options.json)
      all.push_back(describe(type));
    else
      std::cout << fmt::format("{:<20} {}{}\n", name, type.summary,
                               type.origin == "built-in" ? "" : " [" + type.origin + "]");
  }
  if (options.json) std::cout << all.dump() << "\n";
  return 0;
}

}  // namespace

void add_stages_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("stages", "List the stages, or describe one");
  sub->footer(footer);
  sub->add_option("name", options->name, "Describe this stage")->type_name("NAME");
  add_plugin_options(*sub, options->plugins, options->isolation);
  sub->add_flag("--json", options->json, "Print JSON instead of text");
  sub->callback([options, &command] {
    command.loads_plugins = !options->plugins.empty();
    command.run = [options](const Session&) { return run(*options); };
  });
}

}  // namespace petavox::app
