#include "petavox/run/run_directory.hpp"

#include "petavox/base/log.hpp"
#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/journal.hpp"
#include "petavox/run/finish.hpp"
#include "petavox/run/master.hpp"
#include "petavox/run/run_record.hpp"

#include <map>

#include <fmt/format.h>

namespace petavox {
namespace {

constexpr std::uint64_t max_text_bytes = std::uint64_t{16} << 20;

std::string read_text(const OutputRoot& root, const std::string& name) {
  return text_of(root.read_file(name, max_text_bytes));
}

std::map<std::string, std::string> parse_lines(const std::string& text) {
  std::map<std::string, std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (const std::size_t equals = line.find('='); equals != std::string::npos)
      lines[line.substr(0, equals)] = line.substr(equals + 1);
    at = end + 1;
  }
  return lines;
}

/// Whether the shards that the manifest lists have the sizes that it says.
bool all_files_there(const OutputRoot& root) {
  for (const ManifestVolume& v : read_manifest(root).volumes) {
    if (!root.exists(v.file)) return false;
    for (const ManifestShard& shard : v.shards) {
      const auto file = root.find_for_reading(shard.file);
      if (!file || file->size_bytes() != shard.size_bytes) return false;
    }
  }
  return true;
}

RunReport report_of_finished(const OutputRoot& root, const Plan& plan) {
  const Manifest manifest = read_manifest(root);
  RunReport report;
  report.complete = true;
  report.exit_code = ExitCode::done;
  report.output_dir = root.path();
  report.generation = newest_generation(root);
  for (const ManifestVolume& v : manifest.volumes) report.volumes.push_back({v.name, v.kind, v.digest});
  for (const ManifestTable& t : manifest.tables)
    report.summaries.emplace_back(t.name, read_text(root, t.file));
  report.digest = manifest.digest;
  for (int s = 0; s < plan.num_steps(); ++s) report.tasks_resumed += plan.num_tasks(s);
  report.notes = plan.notes();
  report.notes.push_back("already complete: nothing was run");
  return report;
}

}  // namespace

bool is_run_directory(const std::filesystem::path& directory) {
  std::error_code ignored;
  return std::filesystem::is_directory(directory, ignored) &&
         std::filesystem::exists(directory / "plan.txt", ignored);
}

std::unique_ptr<Volume> open_run_volume(const std::filesystem::path& directory, const std::string& name) {
  const OutputRoot root = OutputRoot::open(directory.string());
  if (!root.exists("manifest.json"))
    throw Error{ErrorCode::io,
                fmt::format("{} has no manifest.json (the run is not finished, or failed); finish it with "
                            "`petavox run` first",
                            directory.string())};
  const Manifest manifest = read_manifest(root);
  std::vector<std::string> names;
  for (const ManifestVolume& v : manifest.volumes) {
    names.push_back(v.name);
    if (v.name == name) return open_hdf5_volume(root.path_of(v.file), "/" + v.dataset);
  }
  throw Error{ErrorCode::io,
              fmt::format("run {} keeps no volume '{}' (it has: {}); name one of these, or add it to "
                          "output.keep and run again",
                          directory.string(), name, fmt::join(names, ", "))};
}

std::vector<std::pair<std::string, std::string>> provenance_of(const Plan& plan) {
  std::vector<std::pair<std::string, std::string>> list;
  list.emplace_back("petavox", PETAVOX_VERSION);
  list.emplace_back("plan", to_hex(plan.fingerprint()));
  list.emplace_back("config", plan.config().source_text);
  list.emplace_back("compiler", __VERSION__);
  for (const InputInfo& input : plan.inputs()) list.emplace_back("input." + input.name, input.identity);
  for (const StepPlan& step : plan.steps()) list.emplace_back("step." + step.name, to_hex(step.fingerprint));
  return list;
}

std::vector<std::string> differing_keys(const std::string& before, const std::string& now,
                                        std::size_t limit) {
  const auto a = parse_lines(before), b = parse_lines(now);
  std::vector<std::string> keys;
  for (const auto& [key, value] : a) {
    const auto other = b.find(key);
    if (other == b.end())
      keys.push_back(key + " (was " + value + ", now absent)");
    else if (other->second != value)
      keys.push_back(key + " (was " + value + ", now " + other->second + ")");
  }
  for (const auto& [key, value] : b)
    if (!a.contains(key)) keys.push_back(key + " (now " + value + ", was absent)");
  if (keys.size() > limit) keys.resize(limit);
  return keys;
}

std::optional<RunReport> prepare_run_directory(const Plan& plan, const OutputRoot& root,
                                               const RunOptions& options) {
  const std::string now = "plan=" + to_hex(plan.fingerprint()) + "\n" + plan.canonical();
  if (root.exists("plan.txt")) {
    const std::string before = read_text(root, "plan.txt");
    if (before.substr(0, before.find('\n')) != now.substr(0, now.find('\n'))) {
      if (!options.reuse) {
        std::string keys;
        for (const std::string& key : differing_keys(before, now))
          if (!key.starts_with("plan ")) keys += "\n  " + key;
        throw Error{
            ErrorCode::config,
            fmt::format(
                "{} was made from another configuration (its results would be mixed); use another output "
                "directory, or --reuse to keep the stages that did not change. What changed:{}",
                root.path(), keys.empty() ? " stages, ports or output layout" : keys)};
      }
    } else if (root.exists("COMPLETE") && root.exists("manifest.json") &&
               read_text(root, "COMPLETE") == to_hex(plan.fingerprint()) + "\n") {
      if (all_files_there(root)) return report_of_finished(root, plan);
      log::warning(root.path() +
                   " was complete, but files of its volumes are missing or cut short; they are made again");
    }
  }
  if (state_of_newest_master(root) == MasterState::alive)
    throw Error{ErrorCode::io,
                fmt::format("another petavox is running in {} (two masters would waste work); wait for it, "
                            "or stop it first",
                            root.path())};
  if (newest_generation(root) == 0) {
    // Without a journal nothing that lies here is the result of anything.
    for (const char* directory : {"packs", "index", "running", "profile"})
      if (!root.list(directory).empty()) root.remove_tree(directory);
    for (const StepPlan& step : plan.steps())
      if (step.kind == StepKind::store) {
        const std::string shards = shard_directory(plan.volume(step.reads.front().volume).name);
        if (!root.list(shards).empty()) root.remove_tree(shards);
      }
  }
  for (const char* directory : {"journal", "packs", "index", "running", "scratch", "volumes", "reports"})
    root.make_directories(directory);
  for (const StepPlan& step : plan.steps())
    if (step.kind == StepKind::store)
      root.make_directories(shard_directory(plan.volume(step.reads.front().volume).name));
  root.remove("COMPLETE");
  root.atomically_replace("plan.txt", bytes_of(now));
  write_run_record(root, plan);
  root.atomically_replace("run.yaml", bytes_of(plan.config().source_text));
  if (!options.prediction.empty()) root.atomically_replace("prediction.json", bytes_of(options.prediction));
  return std::nullopt;
}

}  // namespace petavox
