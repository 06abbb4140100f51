#include "apps/petavox/report_page.hpp"

#include "petavox/base/units.hpp"
#include "petavox/run/run_directory.hpp"

#include "apps/petavox/comparison.hpp"
#include "apps/petavox/report_plots.hpp"
#include "apps/petavox/report_style.hpp"
#include "apps/petavox/svg.hpp"

#include <chrono>
#include <cmath>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t max_text_bytes = std::uint64_t{8} << 20;
constexpr std::uint64_t max_picture_bytes = std::uint64_t{4} << 20;

std::string base64(std::span<const std::byte> bytes) {
  constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<std::uint32_t>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

/// The text of a file, or nothing if it is missing or too large for a page.
std::string text_in(const OutputRoot& root, const std::string& name) {
  if (!root.exists(name)) return "";
  try {
    return text_of(root.read_file(name, max_text_bytes));
  } catch (const Error&) {
    return "";
  }
}

/// A page as it grows.
class Page {
 public:
  void add(std::string_view html) { text_ += html; }
  template <class... Parts>
  void row(const Parts&... cells) {
    text_ += "<tr>";
    ((text_ += "<td>" + escape_html(cells) + "</td>"), ...);
    text_ += "</tr>\n";
  }
  void table(std::initializer_list<const char*> heads) {
    text_ += "<div class=\"scroll\"><table><tr>";
    for (const char* head : heads) text_ += fmt::format("<th>{}</th>", head);
    text_ += "</tr>\n";
  }
  void end_table() { text_ += "</table></div>\n"; }
  void fact(const std::string& value, const std::string& name) {
    text_ += "<div><b>" + escape_html(value) + "</b><span>" + escape_html(name) + "</span></div>\n";
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

struct Source {
  const OutputRoot& root;
  const Prediction& plan;
  const RunHistory& history;
};

void add_head(Page& page, const Source& s) {
  const std::string name = s.root.path();
  Index total = 0, skipped = 0, quarantined = 0;
  for (std::size_t i = 0; i < s.plan.steps.size(); ++i) {
    total += s.plan.steps[i].tasks;
    skipped += s.history.steps[i].skipped;
    quarantined += s.history.steps[i].quarantined;
  }
  const bool complete = s.root.exists("COMPLETE");
  page.add(fmt::format("<h1>{}</h1>\n", escape_html(name.substr(name.find_last_of('/') + 1))));
  page.add(
      complete ? "<p class=\"good\"><b>Complete.</b> Everything was done.</p>\n"
      : quarantined > 0
          ? "<p class=\"bad\"><b>Not complete: tasks failed</b> and were set aside; the list is below.</p>\n"
          : "<p class=\"bad\"><b>Not finished.</b> The same command goes on where it was.</p>\n");
  if (complete) {
    const Manifest manifest = read_manifest(s.root);
    page.add("<p>digest <code>" + to_hex(manifest.digest) + "</code></p>\n");
  }
  page.add("<div class=\"facts\">\n");
  page.fact(fmt::format("{} of {}", s.history.tasks_done(), total), "tasks done");
  page.fact(seconds_text(s.history.length_s), "of working time");
  double seconds = 0, cpu = 0;
  std::uint64_t peak = 0;
  for (const StepHistory& step : s.history.steps) {
    seconds += step.seconds;
    cpu += static_cast<double>(step.usage.cpu_ns) * 1e-9;
  }
  for (const LaunchHistory& launch : s.history.launches) peak = std::max(peak, launch.peak_bytes);
  page.fact(seconds_text(seconds), "of workers");
  page.fact(seconds_text(cpu), "of CPU");
  page.fact(peak > 0 ? bytes_text(static_cast<double>(peak)) : "-", "peak of a process");
  page.fact(std::to_string(s.history.num_failures), "failures and repairs");
  page.fact(std::to_string(s.history.launches.size()), "launches");
  if (skipped > 0) page.fact(std::to_string(skipped), "tasks skipped by the mask");
  page.add("</div>\n");
}

void add_pictures(Page& page, const Source& s) {
  std::string out;
  for (const std::string& name : s.root.list("reports/pictures")) {
    const auto file = s.root.find_for_reading("reports/pictures/" + name);
    if (!file || file->size_bytes() > max_picture_bytes) continue;
    Bytes bytes(static_cast<std::size_t>(file->size_bytes()));
    file->read_exact_at(bytes, 0);
    out += fmt::format(
        "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{1}\"><figcaption>{0}</figcaption></figure>\n",
        escape_html(name.substr(0, name.rfind('.'))), base64(bytes));
  }
  if (!out.empty())
    page.add(
        "<h2>Results</h2>\n<p class=\"dim\">The middle section of each volume (its centre, where it is "
        "large); labels "
        "are coloured over the input.</p><div class=\"pictures\">" +
        out + "</div>\n");
}

void add_scores(Page& page, const Source& s) {
  for (const std::string& name : s.root.list("reports")) {
    if (!name.ends_with(".json")) continue;
    const Json json = Json::parse(text_in(s.root, "reports/" + name), nullptr, false);
    if (!json.is_object()) continue;
    page.add("<h2>" + escape_html(name.substr(0, name.size() - 5)) + "</h2>\n");
    page.table({"", ""});
    int rows = 0;
    for (const auto& [key, value] : json.items())
      if (value.is_primitive() && rows++ < 100)
        page.row(key, value.is_string() ? value.get<std::string>()
                                        : value.dump(-1, ' ', false, Json::error_handler_t::replace));
    page.end_table();
  }
}

void add_steps(Page& page, const Source& s, const std::vector<std::string>& classes) {
  page.add("<h2>Steps</h2>\n" + step_bars(s.history, s.plan.steps, classes));
  page.table({"step", "tasks", "done", "failed", "lost", "set aside", "work", "CPU", "mean", "spread",
              "slowest", "stored"});
  for (std::size_t i = 0; i < s.plan.steps.size(); ++i) {
    const PredictedStep& plan = s.plan.steps[i];
    const StepHistory& step = s.history.steps[i];
    const auto timed = static_cast<double>(std::max<Index>(1, step.timed));
    const double mean_log = step.log_sum / timed;
    const double spread = std::sqrt(std::max(0.0, step.log_squares / timed - mean_log * mean_log));
    page.row(plan.name, std::to_string(plan.tasks), std::to_string(step.done), std::to_string(step.failed),
             std::to_string(step.lost), std::to_string(step.quarantined), seconds_text(step.seconds),
             seconds_text(static_cast<double>(step.usage.cpu_ns) * 1e-9),
             step.done > 0 ? seconds_text(step.seconds / static_cast<double>(step.done)) : "-",
             step.timed > 1 ? fmt::format("{:.2f}x", std::exp(spread)) : "-",
             step.slowest >= 0 ? fmt::format("{} (no. {})", seconds_text(step.slowest_s), step.slowest) : "-",
             bytes_text(static_cast<double>(step.stored_bytes)));
  }
  page.end_table();
  page.add(
      "<p class=\"dim\">Done counts results, repeated ones again. Spread: one standard deviation of the "
      "tasks' "
      "durations, as a factor. Dashed: as planned.</p>\n");
}

void add_prediction(Page& page, const std::vector<ComparisonRow>& rows) {
  page.add("<h2>Planned and actual</h2>\n");
  page.table({"", "planned", "actual", "difference"});
  bool costs = true;
  for (const ComparisonRow& row : rows) {
    page.row(row.name, row.planned_text(), row.actual_text(), row.difference());
    costs = costs && row.planned >= 0;
  }
  page.end_table();
  if (!costs)
    page.add(
        "<p class=\"dim\">Time and stored bytes are planned from measured costs: <code>petavox "
        "calibrate</code>, "
        "then <code>petavox run --costs FILE</code>.</p>\n");
}

void add_failures(Page& page, const Source& s) {
  page.add("<h2>Failures, retries, repairs</h2>\n");
  if (s.history.num_failures == 0) {
    page.add("<p>None.</p>\n");
    return;
  }
  page.table({"what", "step", "task", "why"});
  for (const FailureText& f : s.history.failures) {
    page.add("<tr><td>" + escape_html(f.kind) + "</td><td class=\"left\">" +
             escape_html(f.task.step < 0 ? "a step of an earlier configuration"
                                         : s.plan.steps[static_cast<std::size_t>(f.task.step)].name) +
             "</td><td>" + std::to_string(f.task.index) + "</td><td class=\"text\">" + escape_html(f.text) +
             "</td></tr>\n");
  }
  page.end_table();
  if (s.history.num_failures > static_cast<Index>(s.history.failures.size()))
    page.add(fmt::format("<p class=\"dim\">The first {} of {}.</p>\n", s.history.failures.size(),
                         s.history.num_failures));
}

void add_launches(Page& page, const Source& s) {
  constexpr std::size_t most = 200;
  page.add("<h2>Launches</h2>\n");
  page.table({"no.", "begun", "host", "pid", "petavox", "worked", "tasks", "failures", "peak of a process"});
  for (std::size_t i = 0; i < std::min(most, s.history.launches.size()); ++i) {
    const LaunchHistory& l = s.history.launches[i];
    page.row(std::to_string(l.generation), utc_text(l.unix_ns), l.host, std::to_string(l.pid), l.version,
             seconds_text(l.length_s), std::to_string(l.tasks), std::to_string(l.failed),
             l.peak_bytes > 0 ? bytes_text(static_cast<double>(l.peak_bytes)) : "-");
  }
  page.end_table();
}

void add_provenance(Page& page, const Source& s) {
  page.add("<h2>Where it came from</h2>\n");
  if (s.root.exists("COMPLETE")) {
    const Manifest manifest = read_manifest(s.root);
    page.table({"volume", "kind", "type", "voxels", "digest"});
    for (const ManifestVolume& v : manifest.volumes)
      page.row(v.name, v.kind, std::string{name_of(v.dtype)}, to_string(v.domain), to_hex(v.digest));
    page.end_table();
    page.table({"", ""});
    for (const auto& [key, value] : manifest.provenance)
      if (key != "config" && !key.starts_with("step."))
        page.add("<tr><td>" + escape_html(key) + "</td><td class=\"text\">" +
                 escape_html(value.substr(0, 1000)) + "</td></tr>\n");
    page.end_table();
  }
  page.add("<details><summary>Configuration, as it was run</summary><pre>" +
           escape_html(text_in(s.root, "run.yaml")) + "</pre></details>\n");
}

}  // namespace

Report make_report(const OutputRoot& root) {
  const auto plan = read_prediction(root);
  if (!plan)
    throw Error{
        ErrorCode::io,
        fmt::format("{} has no prediction.json, or a damaged one (the steps of the run are not known); run "
                    "the same command again: it writes it anew",
                    root.path())};
  std::vector<StepShape> shapes;
  for (const PredictedStep& step : plan->steps) shapes.push_back(step.shape);
  const RunHistory history = read_history(root, shapes);
  const Source source{root, *plan, history};
  const std::vector<std::string> classes = step_classes(plan->steps);

  Page page;
  page.add(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'\"><title>petavox: " +
      escape_html(root.path()) + "</title><style>" + report_style + "</style></head><body><main>\n");
  add_head(page, source);
  add_pictures(page, source);
  add_scores(page, source);
  page.add("<h2>Timeline of workers</h2>\n" + legend(plan->steps, classes) +
           timeline_plot(history, plan->steps, classes));
  if (history.launches.size() > 1)
    page.add("<p class=\"dim\">Dashed lines: a new launch; the time between launches is left out.</p>\n");
  page.add(throughput_plot(history, plan->steps.size()));
  const std::vector<ComparisonRow> rows = compare(root, *plan, history);
  add_prediction(page, rows);
  add_steps(page, source, classes);
  if (const std::string maps = cost_maps(history); !maps.empty())
    page.add("<h2>Cost over the volume</h2>\n" + maps);
  page.add("<h2>Memory, input and output</h2>\n" +
           memory_plot(history, plan->worker_bytes + plan->base_bytes) + bytes_plot(history) +
           output_plot(history));
  add_failures(page, source);
  add_launches(page, source);
  add_provenance(page, source);
  if (history.records_lost > 0)
    page.add(fmt::format("<p class=\"bad\">{} records of damaged journals are missing here.</p>\n",
                         history.records_lost));
  page.add("</main></body></html>\n");
  return {page.take(), comparison_text(rows)};
}

}  // namespace petavox::app
