#include "petavox/run/progress.hpp"

#include "petavox/base/hash.hpp"
#include "petavox/base/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox {
namespace {

using Json = nlohmann::ordered_json;
constexpr double window_s = 30;
constexpr std::size_t max_live_bytes = std::size_t{1} << 20;

std::string live_name(std::uint32_t generation) { return "live/" + std::to_string(generation); }

}  // namespace

StepProgress Progress::sum() const {
  StepProgress sum;
  sum.name = "all";
  for (const StepProgress& step : steps) {
    sum.total += step.total;
    sum.done += step.done;
    sum.running += step.running;
    sum.quarantined += step.quarantined;
    sum.blocked += step.blocked;
    sum.run += step.run;
    sum.seconds += step.seconds;
  }
  return sum;
}

void ProgressMeter::update(Progress& progress) {
  const StepProgress sum = progress.sum();
  samples_.push_back(
      {progress.elapsed_s, static_cast<double>(sum.run), static_cast<double>(progress.bytes), sum.seconds});
  while (samples_.size() > 2 && samples_[1].elapsed_s <= progress.elapsed_s - window_s) samples_.pop_front();
  // A launch that has just begun, or ends before its second sample, is measured from its begin.
  const Sample first = samples_.size() > 1 && !progress.last ? samples_.front() : Sample{0, 0, 0, 0};
  const Sample& now = samples_.back();
  const double span = now.elapsed_s - first.elapsed_s;
  if (span <= 0) return;
  progress.tasks_per_s = (now.tasks - first.tasks) / span;
  progress.bytes_per_s = (now.bytes - first.bytes) / span;

  double timed_seconds = 0, timed_weight = 0;
  for (const StepProgress& step : progress.steps) {
    timed_seconds += step.seconds;
    timed_weight += step.weight * static_cast<double>(step.run);
  }
  const double workers_busy = sum.seconds / std::max(now.elapsed_s, 1e-9);
  const double recently_busy = (now.seconds - first.seconds) / span;
  const double busy = recently_busy > 0 ? recently_busy : workers_busy;
  if (busy <= 0 || timed_weight <= 0) return;
  double left = 0;
  for (const StepProgress& step : progress.steps) {
    const double task_s = step.run > 0 ? step.seconds / static_cast<double>(step.run)
                                       : step.weight * timed_seconds / timed_weight;
    left += task_s * static_cast<double>(step.total - step.resolved());
  }
  progress.left_s = left / busy;
}

std::string progress_line(const Progress& progress) {
  const StepProgress sum = progress.sum();
  const auto percent = sum.total > 0 ? 100 * sum.resolved() / sum.total : 100;
  std::string line =
      fmt::format("{:3d} % | {} of {} tasks | {:.{}f}/s | {}/s | {} running | {} failed", percent,
                  sum.resolved(), sum.total, progress.tasks_per_s, progress.tasks_per_s < 10 ? 1 : 0,
                  bytes_text(progress.bytes_per_s), sum.running, sum.quarantined);
  if (progress.last) return line + " | " + duration_text(progress.elapsed_s);
  if (progress.left_s >= 0) line += " | " + duration_text(progress.left_s) + " left";
  if (!progress.slowest.empty() && progress.slowest_s >= 10)
    line += fmt::format(" | slowest: {}, {}", progress.slowest, duration_text(progress.slowest_s));
  return line;
}

std::string progress_to_json(const Progress& p) {
  Json json;
  json["generation"] = p.generation;
  json["unix_time_ns"] = p.unix_time_ns;
  json["elapsed_s"] = p.elapsed_s;
  json["resumed"] = p.resumed;
  json["failed"] = p.failed;
  json["bytes"] = p.bytes;
  json["workers"] = p.workers;
  json["slowest"] = p.slowest;
  json["slowest_s"] = p.slowest_s;
  json["tasks_per_s"] = p.tasks_per_s;
  json["bytes_per_s"] = p.bytes_per_s;
  json["left_s"] = p.left_s;
  json["last"] = p.last;
  json["steps"] = Json::array();
  for (const StepProgress& s : p.steps)
    json["steps"].push_back({{"name", s.name},
                             {"total", s.total},
                             {"done", s.done},
                             {"running", s.running},
                             {"quarantined", s.quarantined},
                             {"blocked", s.blocked},
                             {"run", s.run},
                             {"seconds", s.seconds},
                             {"weight", s.weight}});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<Progress> progress_from_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Progress p;
    p.generation = json.at("generation").get<std::uint32_t>();
    p.unix_time_ns = json.at("unix_time_ns").get<std::uint64_t>();
    p.elapsed_s = json.at("elapsed_s").get<double>();
    p.resumed = json.at("resumed").get<Index>();
    p.failed = json.at("failed").get<Index>();
    p.bytes = json.at("bytes").get<std::uint64_t>();
    p.workers = json.at("workers").get<int>();
    p.slowest = json.at("slowest").get<std::string>();
    p.slowest_s = json.at("slowest_s").get<double>();
    p.tasks_per_s = json.at("tasks_per_s").get<double>();
    p.bytes_per_s = json.at("bytes_per_s").get<double>();
    p.left_s = json.at("left_s").get<double>();
    p.last = json.at("last").get<bool>();
    for (const Json& s : json.at("steps"))
      p.steps.push_back(
          {s.at("name").get<std::string>(), s.at("total").get<Index>(), s.at("done").get<Index>(),
           s.at("running").get<Index>(), s.at("quarantined").get<Index>(), s.at("blocked").get<Index>(),
           s.at("run").get<Index>(), s.at("seconds").get<double>(), s.at("weight").get<double>()});
    return p;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

// Length and checksum first, then the text: a reader that meets the writer half way sees that it does.
void LiveFile::write(const Progress& progress) {
  if (given_up_) return;
  try {
    if (!file_.is_open()) {
      root_.make_directories("live");
      // A new file: whatever bears the name, such as another name of a file elsewhere, is not written to.
      root_.remove(live_name(generation_));
      file_ = root_.create_new(live_name(generation_));
      for (const std::string& name : root_.list("live")) {
        std::uint32_t other = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), other);
        if (error == std::errc{} && end == name.data() + name.size() && other < generation_)
          root_.remove("live/" + name);
      }
    }
    const std::string text = progress_to_json(progress);
    const auto body = bytes_of(text);
    ByteWriter out;
    out.put(static_cast<std::uint64_t>(text.size()));
    out.put(checksum(body, generation_));
    Bytes bytes = out.take();
    bytes.insert(bytes.end(), body.begin(), body.end());
    file_.write_all_at(bytes, 0);
  } catch (const Error&) {
    given_up_ = true;
  }
}

std::optional<Progress> read_live_file(const OutputRoot& root, std::uint32_t generation) {
  try {
    const auto file = root.find_for_reading(live_name(generation));
    if (!file) return std::nullopt;
    Bytes bytes(16);
    if (file->read_at(bytes, 0) < bytes.size()) return std::nullopt;
    ByteReader head{bytes};
    const auto size = head.get<std::uint64_t>(), expected = head.get<std::uint64_t>();
    if (size > max_live_bytes) return std::nullopt;
    Bytes body(static_cast<std::size_t>(size));
    if (file->read_at(body, 16) < body.size() || checksum(body, generation) != expected) return std::nullopt;
    return progress_from_json({reinterpret_cast<const char*>(body.data()), body.size()});
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace petavox
