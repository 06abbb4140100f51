#include "apps/petavox/comparison.hpp"

#include "petavox/base/units.hpp"

#include "apps/petavox/svg.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

namespace petavox::app {
namespace {

std::string text_of(double value, ComparisonRow::Unit unit) {
  switch (unit) {
    case ComparisonRow::Unit::bytes:
      return bytes_text(value);
    case ComparisonRow::Unit::seconds:
      return seconds_text(value);
    case ComparisonRow::Unit::count:
      break;
  }
  return fmt::format("{:.0f}", value);
}

/// Files of a run; packs, which come and go, and what only reports make left out. At most ten million.
Index count_files(const std::string& directory) {
  namespace fs = std::filesystem;
  constexpr Index most = 10'000'000;
  Index count = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at{directory, error}, end; !error && at != end && count < most;
       at.increment(error)) {
    const fs::path name = at->path().filename();
    if (at->is_directory(error)) {
      if (name == "packs" || name == "pictures" || name == "profile") at.disable_recursion_pending();
    } else if (name != "report.html") {
      ++count;
    }
  }
  return count;
}

}  // namespace

std::string ComparisonRow::planned_text() const { return planned < 0 ? "not known" : text_of(planned, unit); }
std::string ComparisonRow::actual_text() const { return text_of(actual, unit); }
std::string ComparisonRow::difference() const {
  return planned > 0 ? fmt::format("{:+.0f} %", 100 * (actual / planned - 1)) : "-";
}

std::vector<ComparisonRow> compare(const OutputRoot& root, const Prediction& plan,
                                   const RunHistory& history) {
  double read = 0, written = 0, cpu = 0, stored = 0;
  double planned_read = 0, planned_written = 0, planned_cpu = 0, planned_stored = 0;
  bool costs = true;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const StepHistory& step = history.steps[i];
    read += static_cast<double>(step.usage.bytes_read);
    written += static_cast<double>(step.usage.bytes_written);
    cpu += static_cast<double>(step.usage.cpu_ns) * 1e-9;
    stored += static_cast<double>(step.stored_bytes);
    planned_read += plan.steps[i].bytes_read;
    planned_written += plan.steps[i].bytes_written;
    planned_cpu += plan.steps[i].seconds;
    planned_stored += plan.steps[i].stored_bytes;
    costs = costs && plan.steps[i].seconds >= 0 && plan.steps[i].stored_bytes >= 0;
  }
  std::uint64_t peak = 0;
  for (const LaunchHistory& launch : history.launches) peak = std::max(peak, launch.peak_bytes);
  using Unit = ComparisonRow::Unit;
  return {
      {"peak of a process", plan.worker_bytes + plan.base_bytes, static_cast<double>(peak), Unit::bytes},
      {"read (voxels and rows, before compression)", planned_read, read, Unit::bytes},
      {"written (before compression)", planned_written, written, Unit::bytes},
      {"stored in packs", costs ? planned_stored : -1, stored, Unit::bytes},
      {"files, packs included", plan.files, static_cast<double>(count_files(root.path()) + history.num_packs),
       Unit::count},
      {"CPU time", costs ? planned_cpu : -1, cpu, Unit::seconds},
      {"working time", plan.seconds, history.length_s, Unit::seconds},
  };
}

std::string comparison_text(const std::vector<ComparisonRow>& rows) {
  std::string text = "planned and actual:";
  for (const ComparisonRow& row : rows)
    text +=
        fmt::format(" {} {}, {} ({});", row.name, row.planned_text(), row.actual_text(), row.difference());
  text.pop_back();
  return text;
}

}  // namespace petavox::app
