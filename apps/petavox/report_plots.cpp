#include "apps/petavox/report_plots.hpp"

#include "petavox/base/units.hpp"

#include "apps/petavox/svg.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace petavox::app {
namespace {

constexpr double plot_width = 800;
constexpr std::size_t num_colours = 10;

std::string stage_of(const std::string& step) { return step.substr(0, step.find('.')); }

std::string count_text(double value) {
  return value >= 1e6   ? fmt::format("{:.3g}M", value / 1e6)
         : value >= 1e4 ? fmt::format("{:.3g}k", value / 1e3)
                        : fmt::format("{:.4g}", value);
}

/// Launches begin at these lines.
void draw_launches(Svg& svg, const RunHistory& history, const Axes& axes) {
  constexpr std::size_t max_lines = 200;
  for (std::size_t i = 1; i < std::min(history.launches.size(), max_lines); ++i) {
    const double x = axes.x(history.launches[i].begin_s);
    svg.line(x, axes.top, x, axes.top + axes.height, "launch");
  }
}

using Points = std::vector<std::pair<double, double>>;

/// A curve over time from the channel of bins.
Points curve(const TimeBins& bins, std::size_t channel, double scale, const Axes& axes) {
  Points points;
  for (std::size_t b = 0; b < TimeBins::num_bins; ++b) {
    const double from = static_cast<double>(b) * bins.width_s();
    if (from >= axes.x_max) break;
    const double y = axes.y(bins.at(channel, b) * scale);
    points.emplace_back(axes.x(from), y);
    points.emplace_back(axes.x(std::min(axes.x_max, from + bins.width_s())), y);
  }
  return points;
}

double highest(const TimeBins& bins, std::size_t channel) {
  double top = 0;
  for (std::size_t b = 0; b < TimeBins::num_bins; ++b) top = std::max(top, bins.at(channel, b));
  return top;
}

}  // namespace

std::vector<std::string> step_classes(const std::vector<PredictedStep>& steps) {
  std::map<std::string, std::size_t> stages;
  std::vector<std::string> classes;
  for (const PredictedStep& step : steps)
    classes.push_back(fmt::format(
        "c{}", stages.try_emplace(stage_of(step.name), stages.size()).first->second % num_colours));
  return classes;
}

std::string legend(const std::vector<PredictedStep>& steps, const std::vector<std::string>& classes) {
  std::string out = "<p class=\"legend\">";
  std::string last;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string stage = stage_of(steps[i].name);
    if (stage == last) continue;
    last = stage;
    out += fmt::format(
        "<span><svg viewBox=\"0 0 10 10\"><rect width=\"10\" height=\"10\" class=\"{}\"/></svg>{}</span> ",
        classes[i], escape_html(stage));
  }
  return out + "</p>\n";
}

std::string timeline_plot(const RunHistory& history, const std::vector<PredictedStep>& steps,
                          const std::vector<std::string>& classes) {
  const std::uint32_t group = history.workers_a_lane;
  const std::size_t lanes = (history.num_workers + group - 1) / group;
  if (lanes == 0 || !(history.length_s > 0)) return "";
  const double row = lanes <= 8 ? 22 : 12;
  Axes axes;
  axes.x_max = history.length_s;
  axes.width = plot_width - axes.left - 20;
  axes.height = row * static_cast<double>(lanes);
  Svg svg{plot_width, axes.height + 40, "what each worker ran when"};
  for (const double tick : round_ticks(axes.x_max, 6)) {
    svg.line(axes.x(tick), axes.top, axes.x(tick), axes.top + axes.height, "grid");
    svg.text(axes.x(tick), axes.top + axes.height + 16, seconds_text(tick), "middle");
  }
  for (std::size_t lane = 0; lane < lanes; lane += lanes <= 24 ? 1 : 4)
    svg.text(axes.left - 6, axes.top + row * static_cast<double>(lane) + row * 0.7,
             group == 1 ? std::to_string(lane)
                        : fmt::format("{}-{}", lane * group,
                                      std::min<std::size_t>(history.num_workers, (lane + 1) * group) - 1),
             "end");
  const auto y_of = [&](std::size_t lane) { return axes.top + row * static_cast<double>(lane) + 1; };
  if (!history.spans.empty()) {
    for (const TaskSpan& span : history.spans) {
      const auto step = static_cast<std::size_t>(span.task.step);
      svg.rect(axes.x(span.begin_s), y_of(span.worker / group), axes.x(span.end_s) - axes.x(span.begin_s),
               row - 2, classes[step],
               fmt::format("{} {}: {}", steps[step].name, span.task.index,
                           seconds_text(span.end_s - span.begin_s)));
    }
  } else {
    // One cell for each lane and bin: the step that took most of it, as dark as the lane was busy.
    const double full = history.busy.width_s() * group;
    for (std::size_t lane = 0; lane < lanes; ++lane)
      for (std::size_t b = 0; b < TimeBins::num_bins; ++b) {
        std::size_t most = 0;
        double sum = 0;
        for (std::size_t s = 0; s < steps.size(); ++s) {
          const double value = history.busy.at(lane * steps.size() + s, b);
          sum += value;
          if (value > history.busy.at(lane * steps.size() + most, b)) most = s;
        }
        if (sum <= 0) continue;
        svg.rect(axes.x(static_cast<double>(b) * history.busy.width_s()), y_of(lane),
                 axes.width * history.busy.width_s() / axes.x_max, row - 2, classes[most], {},
                 std::clamp(sum / full, 0.08, 1.0));
      }
  }
  draw_launches(svg, history, axes);
  return svg.finish();
}

std::string throughput_plot(const RunHistory& history, std::size_t num_steps) {
  if (!(history.length_s > 0) || history.tasks_done() == 0) return "";
  Axes axes;
  axes.x_max = history.length_s;
  axes.width = plot_width - axes.left - 20;
  const double width = history.tasks.width_s();
  axes.y_max = highest(history.tasks, 0) / width * 1.05;
  Svg svg{plot_width, axes.height + 40, "tasks finished a second"};
  axes.draw(svg, seconds_text, [](double v) { return count_text(v) + "/s"; });
  svg.area(curve(history.tasks, 0, 1 / width, axes), axes.y(0), "fill");
  draw_launches(svg, history, axes);
  std::string out = "<h3>Tasks finished a second</h3>\n" + svg.finish();
  TimeBins busy{1};
  for (std::size_t c = 0; c < history.busy.channels() && num_steps > 0; ++c)
    for (std::size_t b = 0; b < TimeBins::num_bins; ++b)
      if (const double value = history.busy.at(c, b); value > 0)
        busy.add(0, (static_cast<double>(b) + 0.5) * history.busy.width_s(), value);
  axes.y_max = std::max(1.0, static_cast<double>(history.num_workers));
  Svg second{plot_width, axes.height + 40, "workers busy"};
  axes.draw(second, seconds_text, count_text);
  second.area(curve(busy, 0, 1 / busy.width_s(), axes), axes.y(0), "fill");
  draw_launches(second, history, axes);
  return out + "<h3>Workers busy</h3>\n" + second.finish();
}

std::string output_plot(const RunHistory& history) {
  const double width = history.tasks.width_s(), top = highest(history.tasks, 1) / width;
  if (!(history.length_s > 0) || !(top > 0)) return "";
  Axes axes;
  axes.x_max = history.length_s;
  axes.width = plot_width - axes.left - 20;
  axes.y_max = top * 1.05;
  Svg svg{plot_width, axes.height + 40, "results stored a second, compressed"};
  axes.draw(svg, seconds_text, [](double v) { return bytes_text(v) + "/s"; });
  svg.area(curve(history.tasks, 1, 1 / width, axes), axes.y(0), "fill");
  return "<h3>Results stored a second, compressed</h3>\n" + svg.finish();
}

std::string memory_plot(const RunHistory& history, double predicted_bytes) {
  if (history.usage.size() < 2) return "";
  Axes axes;
  axes.x_max = std::max(history.length_s, 1e-3);
  axes.width = plot_width - axes.left - 20;
  double top = predicted_bytes;
  Points points;
  for (const UsagePoint& point : history.usage) top = std::max(top, static_cast<double>(point.peak_bytes));
  axes.y_max = top * 1.1;
  for (const UsagePoint& point : history.usage)
    points.emplace_back(axes.x(point.at_s), axes.y(static_cast<double>(point.peak_bytes)));
  Svg svg{plot_width, axes.height + 40, "peak memory of the largest process"};
  axes.draw(svg, seconds_text, bytes_text);
  svg.polyline(points, "curve");
  if (predicted_bytes > 0)
    svg.line(axes.left, axes.y(predicted_bytes), axes.left + axes.width, axes.y(predicted_bytes),
             "predicted");
  return "<h3>Peak memory of the largest process (dashed: as planned)</h3>\n" + svg.finish();
}

std::string bytes_plot(const RunHistory& history) {
  if (history.usage.size() < 2) return "";
  Axes axes;
  axes.x_max = std::max(history.length_s, 1e-3);
  axes.width = plot_width - axes.left - 20;
  double top = 1;
  for (const UsagePoint& p : history.usage)
    top = std::max(top, static_cast<double>(std::max(p.bytes_read, p.bytes_written)));
  axes.y_max = top * 1.1;
  Points read, written;
  for (const UsagePoint& p : history.usage) {
    read.emplace_back(axes.x(p.at_s), axes.y(static_cast<double>(p.bytes_read)));
    written.emplace_back(axes.x(p.at_s), axes.y(static_cast<double>(p.bytes_written)));
  }
  Svg svg{plot_width, axes.height + 40, "bytes read and written so far"};
  axes.draw(svg, seconds_text, bytes_text);
  svg.polyline(read, "curve");
  svg.polyline(written, "curve second");
  return "<h3>Voxels and rows read (blue) and written (orange) so far, before compression</h3>\n" +
         svg.finish();
}

std::string cost_maps(const RunHistory& history) {
  const Extent cells = history.cells;
  double total = 0;
  for (const double s : history.cell_s) total += s;
  if (!(total > 0) || cells.voxels() < 2) return "";
  std::string out;
  const auto map = [&](const char* title, int row_axis, int column_axis) {
    std::vector<double> sums(static_cast<std::size_t>(cells[row_axis] * cells[column_axis]), 0.0);
    for (Index i = 0; i < cells.voxels(); ++i) {
      const Coord p{i / (cells.y * cells.x), i / cells.x % cells.y, i % cells.x};
      sums[static_cast<std::size_t>(p[row_axis] * cells[column_axis] + p[column_axis])] +=
          history.cell_s[static_cast<std::size_t>(i)];
    }
    const double top = *std::max_element(sums.begin(), sums.end());
    const double side =
        std::clamp(320.0 / static_cast<double>(std::max(cells[row_axis], cells[column_axis])), 8.0, 60.0);
    Svg svg{side * static_cast<double>(cells[column_axis]), side * static_cast<double>(cells[row_axis]),
            title};
    for (Index r = 0; r < cells[row_axis]; ++r)
      for (Index c = 0; c < cells[column_axis]; ++c) {
        const double value = sums[static_cast<std::size_t>(r * cells[column_axis] + c)];
        svg.rect(side * static_cast<double>(c), side * static_cast<double>(r), side - 1, side - 1, "heat",
                 seconds_text(value), top > 0 ? 0.05 + 0.95 * value / top : 0.05);
      }
    out += fmt::format("<figure class=\"map\">{}<figcaption>{}; darkest {}</figcaption></figure>\n",
                       svg.finish(), title, seconds_text(top));
  };
  map("along z: rows are y, columns x", 1, 2);
  if (cells.z > 1) map("along y: rows are z, columns x", 0, 2);
  return "<div class=\"maps\">" + out + "</div>\n";
}

std::string step_bars(const RunHistory& history, const std::vector<PredictedStep>& steps,
                      const std::vector<std::string>& classes) {
  double top = 0;
  for (std::size_t i = 0; i < steps.size(); ++i)
    top = std::max({top, history.steps[i].seconds, steps[i].seconds});
  if (!(top > 0)) return "";
  constexpr double row = 20;
  Axes axes;
  axes.left = 220;
  axes.x_max = top;
  axes.width = plot_width - axes.left - 90;
  axes.height = row * static_cast<double>(steps.size());
  Svg svg{plot_width, axes.height + 20, "seconds of work of each step"};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double y = axes.top + row * static_cast<double>(i), x = axes.x(history.steps[i].seconds);
    svg.text(axes.left - 6, y + 14, steps[i].name, "end");
    svg.rect(axes.left, y + 3, x - axes.left, row - 6, classes[i]);
    svg.text(x + 5, y + 14, seconds_text(history.steps[i].seconds));
    if (steps[i].seconds >= 0)
      svg.line(axes.x(steps[i].seconds), y + 1, axes.x(steps[i].seconds), y + row - 1, "predicted");
  }
  return svg.finish();
}

}  // namespace petavox::app
