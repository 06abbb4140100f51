#pragma once
// What a launch has used so far, step by step: the master notes it in its journal every now and then, for
// reports. Values; not synchronised.

#include "petavox/geometry/coord.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace petavox {

struct StepUsage {
  std::uint64_t tasks = 0, wall_ns = 0, cpu_ns = 0;
  std::uint64_t bytes_read = 0, bytes_written = 0;  ///< voxels and rows, before compression
  friend bool operator==(const StepUsage&, const StepUsage&) = default;
};

struct Usage {
  std::uint64_t elapsed_ms = 0;  ///< of the launch
  std::uint64_t peak_bytes = 0;  ///< most that one process held
  std::vector<StepUsage> steps;

  Usage() = default;
  explicit Usage(int num_steps) : steps(static_cast<std::size_t>(num_steps)) {}
  /// Expects a step of the plan.
  void add(std::int64_t step, std::uint64_t wall_ns, std::uint64_t cpu_ns, std::uint64_t bytes_read,
           std::uint64_t bytes_written, std::uint64_t process_peak_bytes);
  friend bool operator==(const Usage&, const Usage&) = default;
};

/// "usage <ms> <peak> <steps>", then five numbers a step.
std::string to_note(const Usage& usage);
/// Nothing if the text is no such note.
std::optional<Usage> parse_usage(std::string_view note);

}  // namespace petavox
