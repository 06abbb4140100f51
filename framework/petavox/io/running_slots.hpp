#pragma once
// What a rank is working on, in a memory-mapped file "running/<generation>.<rank>" that survives the sudden
// death of the process: the next launch learns which task was running on the rank that died first.
// Each slot is changed by one thread at a time; slots are independent.

#include "petavox/base/task_id.hpp"
#include "petavox/io/output_root.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace petavox {

enum class SlotState : std::uint32_t {
  idle = 0,
  running = 1,      ///< if the file is found so, the process died without warning while it ran the task
  interrupted = 2,  ///< a signal asked the process to end while it ran the task: the task is not to blame
  finished = 3,
};

class RunningSlots {
 public:
  /// Makes the file for `num_slots` (at most 1024) tasks at once. Throws Error{io} if it exists.
  RunningSlots(const OutputRoot& root, std::uint32_t generation, std::uint32_t rank,
               std::uint32_t num_slots = 1);
  /// Unmaps; the file stays.
  ~RunningSlots();
  RunningSlots(const RunningSlots&) = delete;
  RunningSlots& operator=(const RunningSlots&) = delete;

  void start(std::uint32_t slot, TaskId task, std::uint32_t attempt) noexcept;
  void finish(std::uint32_t slot) noexcept;
  /// Turns running into interrupted, in all slots. Async-signal-safe: for handlers of SIGTERM and the like.
  void mark_interrupted() noexcept;

 private:
  std::byte* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  std::uint32_t num_slots_ = 0;
};

struct RunningSlot {
  TaskId task;
  std::uint32_t attempt = 0;
  SlotState state = SlotState::idle;
  std::uint64_t started_unix_ns = 0;
  std::uint64_t ended_unix_ns = 0;  ///< when it was finished or interrupted
};

struct RunningFile {
  std::uint32_t generation = 0, rank = 0, pid = 0;
  std::string host;
  std::vector<RunningSlot> slots;  ///< those that were used
};

struct RunningReport {
  std::vector<RunningFile> files;       ///< by generation, then rank
  std::vector<std::string> unreadable;  ///< names of files that are none of ours or damaged
};

/// Nothing if there is none or it is damaged. What a live process on another host has stored may be seen
/// late.
std::optional<RunningFile> read_running_file(const OutputRoot& root, std::uint32_t generation,
                                             std::uint32_t rank);
/// The files of all launches before `generation` that are still there.
RunningReport read_running_files(const OutputRoot& root, std::uint32_t before_generation);
/// Deletes them, after their news has been journaled.
void remove_running_files(const OutputRoot& root, std::uint32_t before_generation);

}  // namespace petavox
