#pragma once
// What one thread of a run did and when, appended to "profile/<generation>.<writer>" as it goes: what was
// written survives the death of the process. docs/formats.md has the bytes; profile.hpp reads them.
// Promises: bounded memory; a profile that cannot be written is given up with a warning, the run goes on.
// Not synchronised: one log a thread.

#include "petavox/base/phase.hpp"
#include "petavox/base/task_id.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/pipeline/plan.hpp"

#include <string>

namespace petavox {

/// What else a thread does for a run.
enum class ProfileEvent : std::uint64_t {
  task,    ///< a task
  sync,    ///< makes results durable before they are reported
  commit,  ///< the master makes its journal durable
  end,     ///< the thread is about to leave
};

/// One entry of a log. Times are nanoseconds of the monotonic clock of the host.
struct ProfileRecord {
  ProfileEvent event = ProfileEvent::task;
  TaskId task;
  std::uint64_t attempt = 0, outcome = 0;  ///< as in TaskOutcome
  std::uint64_t idle_since_ns = 0;         ///< end of what the thread did before
  std::uint64_t begin_ns = 0, end_ns = 0;
  std::uint64_t cpu_ns = 0;
  std::array<std::uint64_t, num_phases> phases_ns{};  ///< sum: end - begin
  std::uint64_t bytes_read = 0, bytes_written = 0;    ///< of voxels and rows, before compression
  std::uint64_t stored_bytes_read = 0, stored_bytes_written = 0;
  std::uint64_t peak_bytes = 0;  ///< of the process while the task ran
  std::uint64_t num_slices = 0;  ///< that follow
};
static_assert(sizeof(ProfileRecord) == 21 * 8, "stored as it is");

/// In place of a thread's number: the master's own thread, which runs no tasks.
inline constexpr std::uint32_t profile_master_thread = 0xffffffff;

/// Who wrote a log.
struct ProfileHeader {
  std::uint32_t generation = 0, rank = 0, thread = 0, pid = 0;
  std::uint64_t unix_ns = 0, monotonic_ns = 0;  ///< the same moment on both clocks
  std::uint64_t base_bytes = 0;                 ///< resident memory of the process at that moment
  std::string host;
  std::vector<std::string> steps, kinds;  ///< by number
};

inline constexpr std::array<char, 8> profile_magic{'P', 'V', 'X', 'P', 'R', 'O', 'F', '1'};
/// Of a frame's payload.
inline constexpr std::uint64_t max_profile_frame_bytes = std::uint64_t{16} << 20;

/// The file and its name.
std::string profile_log_name(std::uint32_t generation, const std::string& writer);

class ProfileLog {
 public:
  /// Makes the file. `writer` names it: a number, or "master".
  ProfileLog(const OutputRoot& root, std::uint32_t generation, const std::string& writer, std::uint32_t rank,
             std::uint32_t thread, const Plan& plan);
  /// Notes the end and flushes.
  ~ProfileLog();
  ProfileLog(const ProfileLog&) = delete;
  ProfileLog& operator=(const ProfileLog&) = delete;

  /// The thread's clock runs until end_task(). `watch_memory` costs some ten microseconds.
  void begin_task(bool watch_memory);
  /// `record` has what only the caller knows: task, attempt, outcome and logical bytes.
  void end_task(ProfileRecord record);
  /// The same for what is no task.
  void begin_event();
  void end_event(ProfileEvent event);
  /// What was noted so far goes to the file.
  void flush() noexcept;

 private:
  void append(const ProfileRecord& record, std::span<const PhaseClock::Slice> slices);
  File file_;
  std::uint64_t size_bytes_ = 0;
  Bytes buffer_;
  PhaseClock clock_;
  std::uint64_t idle_since_ns_ = 0;
  int watch_ = -1;
};

/// Times a sync or commit, if there is a log.
class ProfileScope {
 public:
  ProfileScope(ProfileLog* log, ProfileEvent event) : log_{log}, event_{event} {
    if (log_ != nullptr) log_->begin_event();
  }
  ~ProfileScope() {
    if (log_ != nullptr) log_->end_event(event_);
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  ProfileLog* log_;
  ProfileEvent event_;
};

}  // namespace petavox
