#include "apps/petavox/progress_view.hpp"

#include "petavox/base/log.hpp"
#include "petavox/base/units.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace petavox::app {
namespace {

constexpr std::size_t bar_width = 24;
constexpr double line_interval_s = 300;
constexpr const char* clear_below = "\r\x1b[J";

/// Steps of one stage together: "watershed.fragments" and "watershed.join" are a bar.
std::vector<StepProgress> stages_of(const Progress& progress) {
  std::vector<StepProgress> stages;
  for (const StepProgress& step : progress.steps) {
    const std::string name = step.name.substr(0, step.name.find('.'));
    if (stages.empty() || stages.back().name != name) {
      stages.emplace_back();
      stages.back().name = name;
    }
    StepProgress& stage = stages.back();
    stage.total += step.total;
    stage.done += step.done;
    stage.running += step.running;
    stage.quarantined += step.quarantined;
    stage.blocked += step.blocked;
  }
  return stages;
}

std::string bar_line(const StepProgress& stage, std::size_t name_width) {
  const auto full = static_cast<std::size_t>(stage.total > 0 ? static_cast<double>(bar_width) *
                                                                   static_cast<double>(stage.resolved()) /
                                                                   static_cast<double>(stage.total)
                                                             : static_cast<double>(bar_width));
  std::string line = fmt::format("  {:<{}} [{}{}] {}/{}", stage.name, name_width, std::string(full, '#'),
                                 std::string(bar_width - full, '.'), stage.done, stage.total);
  // What a narrow terminal must not cut off comes first.
  if (stage.quarantined > 0) line += fmt::format(", {} FAILED", stage.quarantined);
  if (stage.blocked > 0) line += fmt::format(", {} blocked", stage.blocked);
  if (stage.running > 0) line += fmt::format(", {} running", stage.running);
  return line;
}

}  // namespace

std::vector<std::string> progress_view(const Progress& progress, std::size_t columns, std::size_t rows) {
  std::vector<StepProgress> stages = stages_of(progress);
  // What is finished makes room for what is not.
  const std::size_t room = rows > 3 ? rows - 3 : 1;
  for (std::size_t i = 0; i < stages.size() && stages.size() > room;)
    if (stages[i].resolved() == stages[i].total)
      stages.erase(stages.begin() + static_cast<std::ptrdiff_t>(i));
    else
      ++i;
  if (stages.size() > room) stages.resize(room);
  std::size_t name_width = 8;
  for (const StepProgress& stage : stages) name_width = std::max(name_width, stage.name.size());
  std::vector<std::string> lines{progress_line(progress)};
  for (const StepProgress& stage : stages) lines.push_back(bar_line(stage, name_width));
  if (!progress.slowest.empty() && !progress.last)
    lines.push_back(fmt::format("  slowest {}, {}", progress.slowest, duration_text(progress.slowest_s)));
  for (std::string& line : lines) line.resize(std::min(line.size(), columns));
  return lines;
}

void draw(const std::vector<std::string>& lines, bool last) {
  std::string out = clear_below;
  for (const std::string& line : lines) out += line + "\n";
  if (!last) out += fmt::format("\x1b[{}A", lines.size());
  std::fputs(out.c_str(), stderr);
  std::fflush(stderr);
}

TerminalSize terminal_size() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20 || size.ws_row < 4) return {};
  return {size.ws_col, size.ws_row};
}

std::function<void(const Progress&)> progress_printer() {
  if (::isatty(STDERR_FILENO) != 0) {
    log::set_line_start(clear_below);
    return [](const Progress& progress) {
      const TerminalSize size = terminal_size();
      draw(progress_view(progress, size.columns - 1, size.rows - 1), progress.last);
      if (progress.last) log::set_line_start("");
    };
  }
  struct Printed {
    Index tenth = -1;
    double elapsed_s = 0;
  };
  return [printed = std::make_shared<Printed>()](const Progress& progress) {
    const StepProgress sum = progress.sum();
    const Index tenth = sum.total > 0 ? 10 * sum.resolved() / sum.total : 10;
    if (!progress.last && tenth == printed->tenth &&
        progress.elapsed_s - printed->elapsed_s < line_interval_s)
      return;
    printed->tenth = tenth;
    printed->elapsed_s = progress.elapsed_s;
    log::info(progress_line(progress));
  };
}

}  // namespace petavox::app
