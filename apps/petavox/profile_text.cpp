#include "apps/petavox/profile_text.hpp"

#include "petavox/base/units.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

std::string bytes_or_dash(std::uint64_t bytes) {
  return bytes == 0 ? "-" : bytes_text(static_cast<double>(bytes));
}

std::string line_of(const ProfileRow& row) {
  std::string line = fmt::format("{:<32} {:>8}", row.name, row.tasks);
  for (const double s : row.seconds) line += fmt::format(" {:>8.2f}", s);
  return line + fmt::format(" {:>8.2f} {:>8} {:>8} {:>8} {:>8} {:>8}\n", row.cpu_s,
                            bytes_or_dash(row.bytes_read), bytes_or_dash(row.bytes_written),
                            bytes_or_dash(row.stored_bytes_read), bytes_or_dash(row.stored_bytes_written),
                            bytes_or_dash(row.peak_bytes));
}

ProfileRow total_of(const Profile& profile) {
  ProfileRow all;
  all.name = "all";
  const auto add = [&](const ProfileRow& row) {
    all.tasks += row.tasks;
    for (std::size_t i = 0; i < num_phases; ++i) all.seconds[i] += row.seconds[i];
    all.cpu_s += row.cpu_s;
    all.bytes_read += row.bytes_read;
    all.bytes_written += row.bytes_written;
    all.stored_bytes_read += row.stored_bytes_read;
    all.stored_bytes_written += row.stored_bytes_written;
    all.peak_bytes = std::max(all.peak_bytes, row.peak_bytes);
  };
  for (const ProfileRow& row : profile.steps) add(row);
  const std::uint64_t tasks = all.tasks;
  add(profile.sync);
  all.tasks = tasks;  // a sync is no task
  return all;
}

Json json_of(const ProfileRow& row) {
  Json json{{"name", row.name}, {"kind", row.kind}, {"tasks", row.tasks}, {"total_s", row.total_s()}};
  for (std::size_t i = 0; i < num_phases; ++i)
    json[std::string{name_of(static_cast<Phase>(i))} + "_s"] = row.seconds[i];
  json["cpu_s"] = row.cpu_s;
  json["bytes_read"] = row.bytes_read;
  json["bytes_written"] = row.bytes_written;
  json["stored_bytes_read"] = row.stored_bytes_read;
  json["stored_bytes_written"] = row.stored_bytes_written;
  json["peak_bytes"] = row.peak_bytes;
  return json;
}

}  // namespace

std::string profile_text(const Profile& profile, const std::string& trace_file) {
  std::string out = fmt::format("{:<32} {:>8}", "seconds of all threads", "tasks");
  for (std::size_t i = 0; i < num_phases; ++i) out += fmt::format(" {:>8}", name_of(static_cast<Phase>(i)));
  out += fmt::format(" {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "cpu", "reads", "writes", "from disk",
                     "to disk", "peak");
  for (const ProfileRow& row : profile.steps) out += line_of(row);
  out += line_of(profile.sync);
  const ProfileRow all = total_of(profile);
  out += line_of(all);
  const double wait = all.seconds[static_cast<std::size_t>(Phase::wait)] + profile.idle_s;
  out += fmt::format(
      "\n{:<24} {:.2f} s, {} threads, {:.0f} % of their {:.2f} s with work ({:.2f} s after the last task)\n",
      "wall time", profile.wall_s, profile.threads,
      profile.span_s > 0 ? 100 * (1 - wait / profile.span_s) : 0, profile.span_s, profile.idle_s);
  out += fmt::format("{:<24} {} of program and libraries, which peaks come on top of\n", "memory",
                     bytes_or_dash(profile.base_bytes));
  if (profile.damaged_logs > 0)
    out += fmt::format("{:<24} {} logs end early (their threads died, or the disk is damaged)\n", "note",
                       profile.damaged_logs);
  return out +
         fmt::format("{:<24} {} (opens in ui.perfetto.dev and chrome://tracing)\n", "trace", trace_file);
}

std::string profile_json(const Profile& profile, const std::string& trace_file) {
  Json json;
  json["steps"] = Json::array();
  for (const ProfileRow& row : profile.steps) json["steps"].push_back(json_of(row));
  json["sync"] = json_of(profile.sync);
  json["idle_s"] = profile.idle_s;
  json["span_s"] = profile.span_s;
  json["wall_s"] = profile.wall_s;
  json["threads"] = profile.threads;
  json["base_bytes"] = profile.base_bytes;
  json["damaged_logs"] = profile.damaged_logs;
  json["trace"] = trace_file;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace petavox::app
