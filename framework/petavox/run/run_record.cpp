#include "petavox/run/run_record.hpp"

#include "petavox/pipeline/plan.hpp"
#include "petavox/run/json_lines.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* record_name = "steps.json";
constexpr const char* launches_name = "launches.jsonl";
constexpr std::uint64_t max_record_bytes = std::uint64_t{16} << 20;
constexpr std::size_t max_steps = 10'000;
constexpr std::string_view end_prefix = "end ";

std::optional<Hash128> parse_hash(const std::string& text) {
  Hash128 hash;
  if (text.size() != 32) return std::nullopt;
  const auto part = [&](std::size_t at, std::uint64_t& into) {
    const char* begin = text.data() + at;
    const auto [end, error] = std::from_chars(begin, begin + 16, into, 16);
    return error == std::errc{} && end == begin + 16;
  };
  if (!part(0, hash.high) || !part(16, hash.low)) return std::nullopt;
  return hash;
}

std::optional<RunRecord> parse_record(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    RunRecord record;
    record.max_attempts = json.at("max_attempts").get<int>();
    const auto plan = parse_hash(json.at("plan").get<std::string>());
    if (!plan || json.at("steps").size() > max_steps) return std::nullopt;
    record.plan = *plan;
    Index total = 0;
    for (const Json& s : json.at("steps")) {
      const auto fingerprint = parse_hash(s.at("fingerprint").get<std::string>());
      const auto tasks = s.at("tasks").get<Index>();
      // A bit a task is allocated from this: more than any plan has is no plan.
      constexpr Index most = Index{1} << 36;
      if (!fingerprint || tasks < 0 || tasks > most - total) return std::nullopt;
      total += tasks;
      record.steps.push_back(
          {s.at("name").get<std::string>(), s.at("kind").get<std::string>(), tasks, *fingerprint});
    }
    return record;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::vector<std::int64_t> RunRecord::task_counts() const {
  std::vector<std::int64_t> counts;
  for (const StepRecord& step : steps) counts.push_back(step.tasks);
  return counts;
}

std::vector<Hash128> RunRecord::fingerprints() const {
  std::vector<Hash128> all;
  for (const StepRecord& step : steps) all.push_back(step.fingerprint);
  return all;
}

void write_run_record(const OutputRoot& root, const Plan& plan) {
  Json json;
  json["plan"] = to_hex(plan.fingerprint());
  json["max_attempts"] = plan.config().max_attempts;
  json["steps"] = Json::array();
  for (int s = 0; s < plan.num_steps(); ++s)
    json["steps"].push_back({{"name", plan.step(s).name},
                             {"kind", name_of(plan.step(s).kind)},
                             {"tasks", plan.num_tasks(s)},
                             {"fingerprint", to_hex(plan.step(s).fingerprint)}});
  const std::string text = json.dump() + "\n";
  root.atomically_replace(record_name, bytes_of(text));
}

RunRecord read_run_record(const OutputRoot& root) {
  if (!root.exists(record_name))
    throw Error{ErrorCode::io,
                fmt::format("{} has no {} (it is no directory of a run, or its first launch has not begun); "
                            "give the directory that `petavox run` writes to",
                            root.path(), record_name)};
  auto record = parse_record(text_of(root.read_file(record_name, max_record_bytes)));
  if (!record)
    throw Error{ErrorCode::io,
                fmt::format("{}/{} is damaged (the steps of the run are not known); run the same "
                            "command again: it writes it anew",
                            root.path(), record_name)};
  return *record;
}

std::vector<std::int64_t> match_steps(const std::vector<Hash128>& theirs, const std::vector<Hash128>& ours) {
  std::vector<std::int64_t> matched;
  for (const Hash128& step : theirs) {
    const auto found = std::find(ours.begin(), ours.end(), step);
    matched.push_back(found == ours.end() ? -1 : found - ours.begin());
  }
  return matched;
}

std::string end_note(ExitCode code) {
  return std::string{end_prefix} + std::to_string(static_cast<int>(code));
}

std::optional<ExitCode> parse_end_note(std::string_view text) {
  if (!text.starts_with(end_prefix)) return std::nullopt;
  text.remove_prefix(end_prefix.size());
  int code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc{} || end != text.data() + text.size() || code < 0 || code > 255) return std::nullopt;
  return static_cast<ExitCode>(code);
}

void append_launch(const OutputRoot& root, const LaunchRecord& r) {
  const std::string line = Json{{"number", r.number},
                                {"started_unix_s", r.started_unix_s},
                                {"ended_unix_s", r.ended_unix_s},
                                {"exit_code", r.exit_code},
                                {"asked_to_stop", r.asked_to_stop},
                                {"ended_by_force", r.ended_by_force},
                                {"done_before", r.done_before},
                                {"done_after", r.done_after}}
                               .dump() +
                           "\n";
  File file = root.open_or_create(launches_name);
  file.write_all_at(bytes_of(line), file.size_bytes());
  file.sync();
}

std::vector<LaunchRecord> read_launches(const OutputRoot& root) {
  std::vector<LaunchRecord> all;
  if (!root.exists(launches_name)) return all;
  for_each_json_line(text_of(root.read_file(launches_name, max_record_bytes)), [&](const Json& json) {
    all.push_back({json.at("number").get<int>(), json.at("started_unix_s").get<double>(),
                   json.at("ended_unix_s").get<double>(), json.at("exit_code").get<int>(),
                   json.at("asked_to_stop").get<bool>(), json.at("ended_by_force").get<bool>(),
                   json.at("done_before").get<Index>(), json.at("done_after").get<Index>()});
  });
  return all;
}

}  // namespace petavox
