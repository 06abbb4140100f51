#pragma once
// What a run did and when, in all its launches, from its journals: for reports. Promises: memory does not
// grow with the number of tasks (single tasks are kept while they are few; sums over time, workers and space
// always), nor with the number of workers; damaged journals count up to the damage. Local.

#include "petavox/base/hash.hpp"
#include "petavox/base/task_id.hpp"
#include "petavox/geometry/coord.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/run/time_bins.hpp"
#include "petavox/run/usage.hpp"

#include <string>
#include <vector>

namespace petavox {

/// A step as the caller knows it.
struct StepShape {
  Hash128 fingerprint;
  Extent grid{0, 0, 0};  ///< of its blocks; tasks below grid.voxels() are blocks in raster order. 0: none
};

struct StepHistory {
  Index done = 0, skipped = 0;  ///< results on record, repeated ones counted again
  Index failed = 0, lost = 0, quarantined = 0, invalidated = 0;
  double seconds = 0, slowest_s = 0;
  Index slowest = -1;                   ///< index of that task
  double log_sum = 0, log_squares = 0;  ///< of ln(seconds) of tasks that ran: for the spread of durations
  Index timed = 0;                      ///< … of so many
  std::uint64_t stored_bytes = 0;       ///< of results in packs
  /// From usage notes: of all launches.
  StepUsage usage;
};

struct LaunchHistory {
  std::uint32_t generation = 0;
  std::uint64_t unix_ns = 0;
  std::string host, version;
  std::uint32_t pid = 0;
  double begin_s = 0;  ///< on the axis of the history: time between launches is left out
  double length_s = 0;
  Index tasks = 0, failed = 0;
  std::uint64_t peak_bytes = 0;
};

struct TaskSpan {
  TaskId task;
  std::uint32_t worker = 0;
  double begin_s = 0, end_s = 0;
};

struct FailureText {
  TaskId task;
  std::string kind, text;  ///< "failed", "lost", "quarantined", "invalidated"
};

/// How what a run used grew, from usage notes.
struct UsagePoint {
  double at_s = 0;
  std::uint64_t peak_bytes = 0, bytes_read = 0, bytes_written = 0;  ///< bytes: since the run began
  double cpu_s = 0;
};

struct RunHistory {
  static constexpr std::size_t max_spans = 3000, max_lanes = 48, max_failures = 100, max_points = 4000;
  static constexpr Index max_cells = 40;  ///< along each axis of the map of costs

  std::vector<LaunchHistory> launches;
  std::vector<StepHistory> steps;
  std::vector<TaskSpan> spans;  ///< every task, or nothing if there were more than max_spans
  std::uint32_t num_workers = 0;
  std::uint32_t workers_a_lane = 1;
  TimeBins busy;   ///< seconds of work: channel lane * steps + step
  TimeBins tasks;  ///< finished: channel 0; stored bytes: channel 1
  std::vector<FailureText> failures;
  Index num_failures = 0;
  std::vector<UsagePoint> usage;
  Extent cells{1, 1, 1};       ///< of the map of costs
  std::vector<double> cell_s;  ///< seconds of all blocks there, raster order
  double length_s = 0;         ///< of all launches together
  Index num_packs = 0;         ///< files that results went to
  std::uint64_t records_lost = 0;
  bool complete = false;
  Index tasks_done() const;
};

/// Throws Error{io} if a journal cannot be read at all.
RunHistory read_history(const OutputRoot& root, const std::vector<StepShape>& steps);

}  // namespace petavox
