#include "apps/petavox/status_text.hpp"

#include "petavox/base/units.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

std::string launches_text(const RunStatus& status) {
  std::string text = std::to_string(status.launches);
  if (status.supervised.empty()) return text;
  text += " (supervised; exit codes";
  constexpr std::size_t shown = 8;
  const std::size_t from = status.supervised.size() > shown ? status.supervised.size() - shown : 0;
  if (from > 0) text += " …";
  for (std::size_t i = from; i < status.supervised.size(); ++i)
    text += fmt::format(" {}", status.supervised[i].exit_code);
  return text + ")";
}

}  // namespace

std::string status_text(const std::string& directory, const RunStatus& status) {
  std::string out = fmt::format("{:<12} {}\n", "run", directory);
  out += fmt::format("{:<12} {}: {}\n", "state", name_of(status.state), status.why);
  out += fmt::format("{:<12} {}\n", "launches", launches_text(status));
  const StepStatus sum = status.sum();
  const double percent =
      sum.total > 0 ? 100.0 * static_cast<double>(sum.done) / static_cast<double>(sum.total) : 0;
  out += fmt::format("{:<12} {} of {} tasks ({:.1f} %), {} failed attempts, {} died, {} quarantined\n",
                     "done", sum.done, sum.total, percent, sum.failed, sum.lost, sum.quarantined);
  if (status.tasks_per_s > 0) {
    out += fmt::format("{:<12} {:.1f} tasks/s", "rate", status.tasks_per_s);
    if (status.bytes_per_s > 0) out += fmt::format(", {}/s", bytes_text(status.bytes_per_s));
    out += "\n";
  }
  if (status.left_s >= 0) out += fmt::format("{:<12} about {}\n", "left", duration_text(status.left_s));
  if (!status.slowest.empty())
    out += fmt::format("{:<12} {}, {}\n", "slowest", status.slowest, duration_text(status.slowest_s));
  if (status.last_record_unix_s > 0)
    out += fmt::format("{:<12} {} ago\n", "last record",
                       duration_text(std::max(0.0, status.read_unix_s - status.last_record_unix_s)));
  out += fmt::format("\n{:<32} {:<8} {:>21} {:>8} {:>8} {:>11}\n", "step", "kind", "done", "running",
                     "failed", "quarantined");
  for (const StepStatus& step : status.steps)
    out += fmt::format("{:<32} {:<8} {:>21} {:>8} {:>8} {:>11}\n", step.name, step.kind,
                       fmt::format("{}/{}", step.done, step.total), step.running, step.failed + step.lost,
                       step.quarantined);
  if (status.records_lost > 0)
    out += fmt::format("\n{} journal records lie behind a damaged one and are not counted\n",
                       status.records_lost);
  if (!status.failures.empty()) {
    out += "\nlast failures\n";
    for (const std::string& text : status.failures) out += "  " + text + "\n";
  }
  return out;
}

std::string status_json(const std::string& directory, const RunStatus& status) {
  Json json;
  json["run"] = directory;
  json["state"] = name_of(status.state);
  json["why"] = status.why;
  json["exit_code"] = status.ended ? Json(static_cast<int>(*status.ended)) : Json(nullptr);
  json["launches"] = status.launches;
  json["host"] = status.host;
  json["pid"] = status.pid;
  json["started_unix_s"] = status.started_unix_s;
  json["last_record_unix_s"] = status.last_record_unix_s;
  json["last_record_age_s"] =
      status.last_record_unix_s > 0 ? Json(status.read_unix_s - status.last_record_unix_s) : Json(nullptr);
  const StepStatus sum = status.sum();
  json["total"] = sum.total;
  json["done"] = sum.done;
  json["failed"] = sum.failed;
  json["died"] = sum.lost;
  json["quarantined"] = sum.quarantined;
  json["running"] = sum.running;
  json["tasks_per_s"] = status.tasks_per_s;
  json["bytes_per_s"] = status.bytes_per_s;
  json["left_s"] = status.left_s >= 0 ? Json(status.left_s) : Json(nullptr);
  json["slowest"] = status.slowest;
  json["slowest_s"] = status.slowest_s;
  json["steps"] = Json::array();
  for (const StepStatus& s : status.steps)
    json["steps"].push_back({{"name", s.name},
                             {"kind", s.kind},
                             {"total", s.total},
                             {"done", s.done},
                             {"skipped", s.skipped},
                             {"running", s.running},
                             {"blocked", s.blocked},
                             {"failed", s.failed},
                             {"died", s.lost},
                             {"quarantined", s.quarantined},
                             {"seconds", s.seconds}});
  json["supervised"] = Json::array();
  for (const LaunchRecord& l : status.supervised)
    json["supervised"].push_back({{"number", l.number},
                                  {"started_unix_s", l.started_unix_s},
                                  {"ended_unix_s", l.ended_unix_s},
                                  {"exit_code", l.exit_code},
                                  {"asked_to_stop", l.asked_to_stop},
                                  {"ended_by_force", l.ended_by_force},
                                  {"done_before", l.done_before},
                                  {"done_after", l.done_after}});
  json["failures"] = status.failures;
  json["journal_records_lost"] = status.records_lost;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Progress progress_of(const RunStatus& status) {
  Progress progress;
  progress.generation = status.generation;
  progress.elapsed_s = status.read_unix_s - status.started_unix_s;
  progress.tasks_per_s = status.tasks_per_s;
  progress.bytes_per_s = status.bytes_per_s;
  progress.left_s = status.left_s;
  progress.slowest = status.slowest;
  progress.slowest_s = status.slowest_s;
  for (const StepStatus& s : status.steps) {
    progress.steps.emplace_back();
    StepProgress& step = progress.steps.back();
    step.name = s.name;
    step.total = s.total;
    step.done = s.done;
    step.running = s.running;
    step.quarantined = s.quarantined;
    step.blocked = s.blocked;
  }
  return progress;
}

}  // namespace petavox::app
