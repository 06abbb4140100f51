// petavox info: what a volume, a file or a run directory holds.

#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/image_stack.hpp"
#include "petavox/run/run_directory.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/volume_info.hpp"
#include "apps/petavox/where.hpp"

#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* footer =
    "Of a file without a dataset, its datasets; of a run directory, its volumes and where they came from.\n"
    "\n"
    "Examples:\n"
    "  petavox info raw.h5\n"
    "  petavox info raw.h5:/volumes/raw\n"
    "  petavox info runs/phantom --json\n"
    "  petavox info runs/phantom:segments";

struct Options {
  std::string where;
  bool json = false, no_sample = false;
};

Json run_info(const std::filesystem::path& directory) {
  const OutputRoot root = OutputRoot::open(directory.string());
  Json json;
  json["run"] = directory.string();
  json["complete"] = root.exists("manifest.json") && root.exists("COMPLETE");
  if (!root.exists("manifest.json")) return json;
  const Manifest manifest = read_manifest(root);
  json["digest"] = to_hex(manifest.digest);
  json["volumes"] = Json::array();
  for (const ManifestVolume& v : manifest.volumes)
    json["volumes"].push_back({{"name", v.name},
                               {"kind", v.kind},
                               {"box", to_string(v.domain)},
                               {"dtype", name_of(v.dtype)},
                               {"channels", v.channels},
                               {"voxel_size_nm", v.voxel_size_nm},
                               {"file", v.file},
                               {"dataset", v.dataset},
                               {"shards", v.shards.size()},
                               {"digest", to_hex(v.digest)}});
  json["tables"] = Json::array();
  for (const ManifestTable& t : manifest.tables)
    json["tables"].push_back({{"name", t.name}, {"file", t.file}, {"digest", to_hex(t.digest)}});
  json["provenance"] = Json::object();
  for (const auto& [key, value] : manifest.provenance) json["provenance"][key] = value;
  return json;
}

Json info_of(const Options& options) {
  std::error_code ignored;
  if (is_run_directory(options.where)) return run_info(options.where);
  if (std::filesystem::is_regular_file(options.where, ignored) && is_hdf5_file(options.where)) {
    Json json{{"file", options.where}, {"datasets", Json::array()}};
    for (const std::string& line : list_hdf5_datasets(options.where)) json["datasets"].push_back(line);
    return json;
  }
  const auto volume = open_where(options.where);
  Json json = header_info(*volume);
  if (!options.no_sample) json["sample"] = sample_info(*volume);
  return json;
}

void print(const Json& json, const std::string& indent) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = json.is_array() ? "-" : key;
    if (value.is_object() || (value.is_array() && !value.empty() && !value.front().is_number())) {
      std::cout << indent << name << "\n";
      print(value, indent + "  ");
    } else if (value.is_string() && value.get<std::string>().find('\n') != std::string::npos) {
      std::cout << indent << name << " |\n";
      std::istringstream lines{value.get<std::string>()};
      for (std::string line; std::getline(lines, line);) std::cout << indent << "  " << line << "\n";
    } else {
      std::cout << indent << name << " " << (value.is_string() ? value.get<std::string>() : value.dump())
                << "\n";
    }
  }
}

int run(const Options& options) {
  const Json json = info_of(options);
  if (options.json)
    std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  else
    print(json, "");
  return 0;
}

}  // namespace

void add_info_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("info", "Describe a volume, a file or a run directory");
  sub->footer(footer);
  sub->add_option("where", options->where, where_help)->required()->type_name("WHERE");
  sub->add_flag("--no-sample", options->no_sample, "Read the header only, no voxels");
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
