#pragma once
// The profile of a run: what the logs of its threads say (profile_log.hpp), as a table and as a trace.
// Promises: a log that was cut short by a crash counts up to there; damaged logs are left out and counted;
// memory does not grow with the number of tasks. Local; one thread at a time.

#include "petavox/run/profile_log.hpp"

#include <functional>
#include <span>

namespace petavox {

/// Sums over the tasks of a step, in all launches and threads.
struct ProfileRow {
  std::string name, kind;
  std::uint64_t tasks = 0;                          ///< executions, failed and repeated ones too
  std::array<double, num_phases> seconds{};         ///< `wait` with the time without work before each task
  double cpu_s = 0;                                 ///< of the threads that ran the tasks
  std::uint64_t bytes_read = 0, bytes_written = 0;  ///< voxels and rows, before compression
  std::uint64_t stored_bytes_read = 0, stored_bytes_written = 0;  ///< as they are on disk
  std::uint64_t peak_bytes =
      0;  ///< most that a process held above its base while it ran one; 0: not measured
  double total_s() const;
};

struct Profile {
  std::vector<ProfileRow> steps;   ///< in the order of the plan
  ProfileRow sync;                 ///< making results and the journal durable
  double idle_s = 0;               ///< of threads after their last task
  std::uint64_t threads = 0;       ///< that ran tasks, in all launches
  double span_s = 0;               ///< sum of their times: all rows and idle_s together
  double wall_s = 0;               ///< from the first to the last moment of each launch, summed
  std::uint64_t base_bytes = 0;    ///< most that a process held before its first task
  std::uint64_t damaged_logs = 0;  ///< left out, wholly or from some place on
};

/// Calls `use` for every record of every log, log by log; `log` when a log begins. A log that ends in the
/// middle of a record ends before it. Returns how many logs are damaged.
std::uint64_t visit_profile(const OutputRoot& root, const std::function<void(const ProfileHeader&)>& log,
                            const std::function<void(const ProfileHeader&, const ProfileRecord&,
                                                     std::span<const PhaseClock::Slice>)>& use);

/// Throws Error{io} if there are no logs.
Profile read_profile(const OutputRoot& root);

/// Writes "profile/trace.json": Chrome's trace-event format, which ui.perfetto.dev and chrome://tracing open.
/// A process for each rank, a track for each thread, a slice for each task and in it its phases; a counter of
/// each rank's memory. Above `max_events` events the shortest are left out, which the trace says. Replaces an
/// older trace. Returns the file's path.
std::string write_profile_trace(const OutputRoot& root, std::uint64_t max_events = 500'000);

}  // namespace petavox
