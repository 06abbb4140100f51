#include "petavox/pipeline/config.hpp"

#include "petavox/pipeline/config_detail.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>

#include <fmt/format.h>

namespace petavox {

namespace config_detail {
namespace {

namespace fs = std::filesystem;

void make_absolute(Value& value, const fs::path& base) {
  if (value.kind != Value::Kind::scalar || value.scalar.empty()) return;
  const auto [file, dataset] = split_dataset(value.scalar);
  const fs::path path = (from_override(value) ? fs::current_path() : base) / file;
  value.scalar = path.lexically_normal().string() + (dataset.empty() ? "" : ":" + dataset);
}

void make_entry_absolute(Value* map, std::string_view key, const fs::path& base) {
  Value* value = map != nullptr ? map->find(key) : nullptr;
  if (value != nullptr) make_absolute(*value, base);
}

bool is_path_key(const std::string& key) {
  return key == "path" || key.ends_with("_path") || key.ends_with("_file");
}

}  // namespace

const Value& section(const Value& root, const std::string& key, Problems& problems) {
  static const Value empty = Value::mapping({});
  const Value* value = root.find(key);
  if (value == nullptr || value->kind == Value::Kind::none) return empty;
  if (value->kind == Value::Kind::map) return *value;
  problems.add(
      value->where,
      fmt::format("{} is not a map (its settings have names); write `key: value` lines below it", key));
  return empty;
}

bool check_size(Extent shape, const std::string& key, const Position& where, Problems& problems) {
  Index voxels = 0;
  constexpr Index most = Index{1} << 60;
  if (!__builtin_mul_overflow(shape.z, shape.y, &voxels) &&
      !__builtin_mul_overflow(voxels, shape.x, &voxels) && voxels <= most)
    return true;
  problems.add(where,
               fmt::format("{} holds more than 2^60 voxels (positions could not be numbered); choose a "
                           "smaller one",
                           key));
  return false;
}

void make_paths_absolute(Value& root, const fs::path& base) {
  Value* input = root.find("input");
  make_entry_absolute(input, "path", base);
  if (Value* mask = input != nullptr ? input->find("mask") : nullptr) {
    make_absolute(*mask, base);
    make_entry_absolute(mask, "path", base);
  }
  if (Value* inputs = root.find("inputs"))
    for (auto& [name, other] : inputs->entries) make_entry_absolute(&other, "path", base);
  make_entry_absolute(root.find("output"), "dir", base);
  if (Value* plugins = root.find("plugins")) {
    make_absolute(*plugins, base);
    for (Value& item : plugins->items) {
      make_absolute(item, base);
      if (Value* file = item.find("file")) make_absolute(*file, base);
    }
  }
  if (Value* stages = root.find("stages"))
    for (auto& [name, stage] : stages->entries)
      for (auto& [key, value] : stage.entries)
        if (is_path_key(key)) make_absolute(value, base);
}

}  // namespace config_detail

namespace {

using namespace config_detail;

void read_blocks(const Value& root, RunConfig& config, Problems& problems) {
  Params params{section(root, "blocks", problems), "blocks", problems};
  constexpr IntegerRange side{1, 65536};
  config.block_shape = params.extent("shape", config.block_shape, side, "voxels of a block");
  const Extent chunk =
      params.extent("chunk_shape", config.block_shape, side, "voxels of a chunk of intermediates");
  if (params.has("chunk_shape")) config.chunk_shape = chunk;
  for (int axis = 0; axis < 3; ++axis)
    if (chunk[axis] < 1 || config.block_shape[axis] % chunk[axis] != 0) {
      params.problem(
          "chunk_shape",
          fmt::format("{} does not divide the block shape {} (a chunk would have two writers); choose "
                      "divisors, or leave it out",
                      to_string(chunk), to_string(config.block_shape)));
      break;
    }
  params.reject_unknown();
}

CodecSpec read_codec(const Value& output, const std::string& key, Problems& problems, Extent* chunk,
                     Extent* shard) {
  CodecSpec spec;
  const std::string path = "output." + key;
  static const Value empty = Value::mapping({});
  const Value* value = output.find(key);
  if (value != nullptr && value->kind != Value::Kind::map) {
    problems.add(value->where,
                 path + " is not a map (its settings have names); write {codec: zstd, level: 1}");
    value = nullptr;
  }
  Params params{value != nullptr ? *value : empty, path, problems};
  std::vector<std::string> codecs{"none", "lz4", "lz4hc", "zstd", "blosclz", "zlib"};
  if (chunk != nullptr) codecs.emplace_back("gzip");
  spec.codec = params.choice("codec", spec.codec, codecs, "compression of chunks");
  spec.level = static_cast<int>(params.integer("level", spec.level, {0, 9}, "0 (fast) to 9 (small)"));
  spec.shuffle =
      params.choice("shuffle", spec.shuffle, {"none", "byte", "bit"}, "order of bytes or bits before");
  if (spec.codec == "gzip" && spec.shuffle == "bit")
    params.problem("shuffle",
                   "HDF5 has no bit shuffle beside gzip (the file could not be written); write byte or none");
  if (chunk != nullptr) {
    *chunk = params.extent("chunk_shape", *chunk, {1, 4096}, "voxels of a chunk");
    *shard = params.extent("shard_shape", *shard, {1, 65536}, "voxels of a file");
    for (int axis = 0; axis < 3; ++axis)
      if ((*chunk)[axis] < 1 || (*shard)[axis] % (*chunk)[axis] != 0) {
        params.problem("shard_shape",
                       fmt::format("{} is not a multiple of the chunk shape {} (a chunk would be "
                                   "in two files); choose multiples",
                                   to_string(*shard), to_string(*chunk)));
        break;
      }
  }
  params.reject_unknown();
  return spec;
}

void read_keep(const Value& output, RunConfig& config, Problems& problems) {
  const Value* keep = output.find("keep");
  if (keep == nullptr) return;
  if (keep->kind == Value::Kind::list) {
    config.keep = KeepMode::list;
    for (const Value& item : keep->items) {
      if (!is_safe_name(item.scalar))
        problems.add(item.where,
                     fmt::format("output.keep names '{}' (it is not a volume name); write names of "
                                 "volumes",
                                 item.scalar.substr(0, 80)));
      config.keep_volumes.push_back(item.scalar);
    }
  } else if (keep->scalar == "all" || keep->scalar == "final") {
    config.keep = keep->scalar == "all" ? KeepMode::all : KeepMode::final;
  } else {
    problems.add(keep->where, fmt::format("output.keep is '{}' (it must be all, final or a list of volumes); "
                                          "write one of them",
                                          keep->scalar.substr(0, 80)));
  }
}

void read_output(const Value& root, RunConfig& config, Problems& problems) {
  const Value& output = section(root, "output", problems);
  Params params{output, "output", problems};
  config.output_dir = params.text("dir", "", "directory of the run");
  if (config.output_dir.empty())
    problems.add(output.where.line > 0 ? output.where : root.where,
                 "output.dir is missing (the run has no place for its results); add it or give --out DIR");
  read_keep(output, config, problems);
  config.image_codec = read_codec(output, "images", problems, nullptr, nullptr);
  config.label_codec = read_codec(output, "labels", problems, nullptr, nullptr);
  config.final_codec =
      read_codec(output, "final", problems, &config.final_chunk_shape, &config.final_shard_shape);
  params.reject_unknown({"keep", "images", "labels", "final"});
}

void read_run(const Value& root, RunConfig& config, Problems& problems) {
  {
    Params params{section(root, "memory", problems), "memory", problems};
    constexpr IntegerRange megabytes{1, 1 << 24};
    const auto bytes = [](std::int64_t mb) { return static_cast<std::size_t>(mb) << 20; };
    config.memory_reduction_bytes = bytes(
        params.integer("reduction_mb", 1024, megabytes, "above this, states of reductions go to files"));
    config.memory_chunk_cache_bytes =
        bytes(params.integer("chunk_cache_mb", 64, megabytes, "decompressed chunks kept by a worker"));
    config.memory_isolated_bytes =
        bytes(params.integer("isolated_mb", 4096, megabytes, "what a plugin's own process may hold"));
    params.reject_unknown();
  }
  Params params{section(root, "run", problems), "run", problems};
  config.threads =
      static_cast<int>(params.integer("threads", 1, {1, max_threads}, "tasks that a rank runs at once"));
  config.max_attempts =
      static_cast<int>(params.integer("max_attempts", 3, {1, 100}, "failures before a block is set aside"));
  config.lease_s =
      params.number("lease_s", 600, {0.1, 1e6}, "silence after which a task is given to another");
  config.snapshot_tasks = params.integer("snapshot_tasks", Index{1} << 20, {1, Index{1} << 40},
                                         "finished tasks between two snapshots of the journal, at least");
  config.seed = static_cast<std::uint64_t>(params.integer("seed", 0, {0}, "of the random numbers of stages"));
  config.verify_fraction =
      params.number("verify_fraction", 0, {0, 1}, "of the tasks: run again on another rank, and compared");
  if (params.choice("isolation", "none", {"none", "process"}, "where plugins run") == "process")
    config.isolation = Isolation::process;
  params.reject_unknown();
}

void read_ports(const Value& stage, const std::string& key, const std::string& path,
                std::map<std::string, std::string>& ports, Problems& problems) {
  const Value* value = stage.find(key);
  if (value == nullptr || value->kind == Value::Kind::none) return;
  if (value->kind != Value::Kind::map) {
    problems.add(value->where, fmt::format("{}.{} is not a map (it connects ports to volumes); write {{port: "
                                           "volume}}",
                                           path, key));
    return;
  }
  for (const auto& [port, volume] : value->entries) {
    if (volume.kind != Value::Kind::scalar || !is_safe_name(volume.scalar))
      problems.add(volume.where,
                   fmt::format("{}.{}.{} is '{}' (volumes become files, so their names have letters, "
                               "digits, '_', '.', '-' only); choose such a name",
                               path, key, port, volume.scalar.substr(0, 80)));
    else
      ports[port] = volume.scalar;
  }
}

StageSpec read_stage(const std::string& name, const Value& stage, Problems& problems) {
  const std::string path = "stages." + name;
  StageSpec spec;
  spec.name = spec.type = name;
  spec.where = stage.where;
  spec.params.where = stage.where;
  if (!is_safe_name(name))
    problems.add(stage.where,
                 fmt::format("'{}' cannot be the name of a stage (letters, digits, '_', '.', '-' are "
                             "possible); rename it",
                             name.substr(0, 80)));
  if (stage.kind == Value::Kind::none) return spec;
  if (stage.kind != Value::Kind::map) {
    problems.add(
        stage.where,
        fmt::format("{} is not a map (parameters have names); write {{key: value}} or nothing", path));
    return spec;
  }
  spec.params.kind = Value::Kind::map;
  for (const auto& [key, value] : stage.entries) {
    if (key == "stage") {
      if (value.kind != Value::Kind::scalar || value.scalar.empty())
        problems.add(value.where, path +
                                      ".stage is not the name of a stage type (nothing could run); see "
                                      "`petavox stages`");
      else
        spec.type = value.scalar;
    } else if (key != "reads" && key != "writes") {
      spec.params.entries.emplace_back(key, value);
    }
  }
  read_ports(stage, "reads", path, spec.reads, problems);
  read_ports(stage, "writes", path, spec.writes, problems);
  return spec;
}

PluginSpec read_plugin(const Value& item, Problems& problems) {
  Params params{item, "plugins", problems};
  PluginSpec plugin;
  plugin.file = params.required_text("file", "the shared library");
  plugin.sha256 = params.text("sha256", "", "the digest that it must have");
  std::transform(plugin.sha256.begin(), plugin.sha256.end(), plugin.sha256.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (params.has("sha256") && (plugin.sha256.size() != 64 ||
                               plugin.sha256.find_first_not_of("0123456789abcdef") != std::string::npos))
    params.problem(
        "sha256",
        "is no SHA-256 digest (the file could not be compared with it); write the 64 hex digits that "
        "`sha256sum` prints");
  params.reject_unknown();
  return plugin;
}

void read_plugins(const Value& root, RunConfig& config, Problems& problems) {
  const Value* plugins = root.find("plugins");
  if (plugins == nullptr || plugins->kind == Value::Kind::none) return;
  if (plugins->kind == Value::Kind::scalar) config.plugins.push_back({plugins->scalar, ""});
  for (const Value& item : plugins->items) {
    if (item.kind == Value::Kind::scalar && !item.scalar.empty())
      config.plugins.push_back({item.scalar, ""});
    else if (item.kind == Value::Kind::map)
      config.plugins.push_back(read_plugin(item, problems));
    else
      problems.add(item.where, "an entry of `plugins` is not a path (it cannot be loaded); write file names");
  }
  if (plugins->kind == Value::Kind::map)
    problems.add(
        plugins->where,
        "`plugins` is a map (it lists files); write [libname.so] or [{file: libname.so, sha256: …}]");
}

void read_stages(const Value& root, RunConfig& config, Problems& problems) {
  const Value& stages = section(root, "stages", problems);
  for (const auto& [name, stage] : stages.entries) config.stages.push_back(read_stage(name, stage, problems));
  if (root.find("stages") == nullptr ||
      (stages.entries.empty() && root.find("stages")->kind != Value::Kind::list))
    problems.add(root.where,
                 "`stages` is missing or empty (nothing would be computed); list the stages to run");
}

void check_root(const Value& root, Problems& problems) {
  Params params{root, "petavox", problems};
  const std::vector<std::string> known{"petavox", "input", "inputs",  "blocks", "output",
                                       "memory",  "run",   "plugins", "stages"};
  for (const auto& [key, value] : root.entries) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest_name(key, known);
    problems.add(value.where,
                 fmt::format("'{}' is not a known section (it would be ignored); {}", key.substr(0, 80),
                             near.empty() ? "remove it" : "did you mean '" + near + "'?"));
  }
  const Value* version = root.find("petavox");
  if (version == nullptr)
    problems.add(root.where,
                 "the line `petavox: 1` is missing (it says that the file is a configuration, and of "
                 "which version); add it at the top");
  else if (version->scalar != "1")
    problems.add(version->where,
                 fmt::format("the configuration has version '{}' (this program reads version 1); "
                             "use `petavox: 1` or another program version",
                             version->scalar.substr(0, 80)));
}

}  // namespace

bool is_safe_name(std::string_view name) {
  const auto safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), safe);
}

std::pair<std::string, std::string> split_dataset(std::string_view where) {
  const std::size_t colon = where.rfind(":/");
  if (colon == std::string_view::npos) return {std::string{where}, ""};
  return {std::string{where.substr(0, colon)}, std::string{where.substr(colon + 1)}};
}

RunConfig parse_config(std::string_view text, const std::filesystem::path& file,
                       const std::vector<std::string>& overrides, Problems& problems) {
  RunConfig config;
  config.file = std::filesystem::absolute(file).lexically_normal();
  const std::filesystem::path base = config.file.parent_path();
  const std::size_t problems_before = problems.size();
  Value root = parse_yaml(text, file.string(), problems);
  if (root.where.line == 0) root.where = {file.string(), 1, 1};
  if (root.kind != Value::Kind::map) {
    if (problems.size() == problems_before)
      problems.add(root.where,
                   "the configuration is not a map (it has named sections); begin with `petavox: 1`");
    root = Value::mapping({}, root.where);
    config.inputs.push_back({});
    config.inputs.back().name = "input";
    return config;
  }
  const Value written = root;
  for (const std::string& text_of_override : overrides) apply_override(root, text_of_override, problems);
  settle_inputs(root, written, base, config, problems);
  make_paths_absolute(root, base);

  check_root(root, problems);
  read_inputs(root, config, problems);
  read_blocks(root, config, problems);
  read_output(root, config, problems);
  read_run(root, config, problems);
  read_plugins(root, config, problems);
  read_stages(root, config, problems);
  config.source = std::move(root);
  config.source_text = to_yaml(config.source);
  return config;
}

RunConfig load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                      Problems& problems) {
  const auto failed = [&](const std::string& text) {
    problems.add({file.string()}, text);
    RunConfig none;
    none.inputs.push_back({});
    none.inputs.back().name = "input";
    return none;
  };
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error))
    return failed("the configuration cannot be read (no such file); check the path");
  std::ifstream stream{file, std::ios::binary};
  // One byte more than allowed, so that parse_config() refuses what is longer; never the whole of a huge
  // file.
  std::string text(max_config_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad() || (!stream.eof() && stream.fail()) || !stream.is_open())
    return failed("the configuration cannot be read (no permission or a disk error); check the file");
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse_config(text, file, overrides, problems);
}

}  // namespace petavox
