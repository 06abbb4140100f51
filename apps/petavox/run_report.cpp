#include "apps/petavox/run_report.hpp"

#include "petavox/base/log.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

/// Summaries are written by stages: what is no JSON is shown as the text it is.
Json parsed(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json(text) : json;
}

}  // namespace

std::string report_text(const RunReport& report) {
  std::string out;
  for (const auto& [name, text] : report.summaries) {
    const Json json = parsed(text);
    if (!json.is_object()) {
      out += fmt::format("{} {}\n", name, text);
      continue;
    }
    for (const auto& [key, value] : json.items())
      if (value.is_primitive())
        out +=
            fmt::format("{}.{} {}\n", name, key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  for (const VolumeReport& volume : report.volumes)
    out += fmt::format("digest {} {}\n", volume.name, to_hex(volume.digest));
  return out + "digest " + (report.complete ? to_hex(report.digest) : "incomplete") + "\n";
}

std::string report_json(const RunReport& report, const std::string& profile) {
  Json json;
  json["digest"] = report.complete ? to_hex(report.digest) : "incomplete";
  json["complete"] = report.complete;
  json["exit_code"] = static_cast<int>(report.exit_code);
  json["volumes"] = Json::array();
  for (const VolumeReport& volume : report.volumes)
    json["volumes"].push_back(
        {{"name", volume.name}, {"kind", volume.kind}, {"digest", to_hex(volume.digest)}});
  json["summaries"] = Json::object();
  for (const auto& [name, text] : report.summaries) json["summaries"][name] = parsed(text);
  json["tasks_run"] = report.tasks_run;
  json["tasks_resumed"] = report.tasks_resumed;
  json["wall_s"] = report.wall_s;
  json["generation"] = report.generation;
  json["output_dir"] = report.output_dir;
  json["failures"] = Json::array();
  for (const FailedTask& failure : report.failures)
    json["failures"].push_back(
        {{"task", failure.task}, {"text", failure.text}, {"blocked", failure.blocked}});
  json["steps"] = Json::array();
  for (const StepReport& step : report.steps)
    json["steps"].push_back({{"name", step.name},
                             {"total", step.total},
                             {"done", step.done},
                             {"skipped", step.skipped},
                             {"failed", step.failed},
                             {"blocked", step.blocked},
                             {"seconds", step.seconds},
                             {"bytes_read", step.bytes_read},
                             {"bytes_written", step.bytes_written}});
  json["notes"] = report.notes;
  if (!profile.empty()) json["profile"] = parsed(profile);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void log_failures(const RunReport& report) {
  std::size_t blocked = 0;
  for (const FailedTask& failure : report.failures) {
    if (failure.blocked)
      ++blocked;
    else
      log::error(failure.task + ": " + failure.text);
  }
  if (blocked > 0)
    log::error(fmt::format("{} tasks did not run because what they depend on failed", blocked));
}

std::string error_json(const Error& error) {
  return Json{{"digest", "incomplete"},
              {"complete", false},
              {"exit_code", static_cast<int>(exit_code_of(error.code()))},
              {"error", {{"code", name_of(error.code())}, {"text", error.what()}}}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace petavox::app
