#pragma once
// Executes one task of a plan: reads what it depends on, runs the stage or reduction, appends the result to
// this writer's pack. Used by the serial executor, by every worker rank, and by `petavox verify`. Promises:
// an exception never leaves run(); it becomes an outcome. Not synchronised: one runner a thread.

#include "petavox/io/journal.hpp"
#include "petavox/io/running_slots.hpp"
#include "petavox/io/shard_layout.hpp"
#include "petavox/run/profile_log.hpp"
#include "petavox/run/stop.hpp"
#include "petavox/run/volume_access.hpp"
#include "petavox/run/worker_id.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace petavox {

enum class OutcomeKind : std::uint8_t {
  done,
  skipped,  ///< masked out: nothing was written, it reads as 0
  failed,   ///< the stage failed
  corrupt,  ///< the stored result of `culprit` is damaged: that task must run again first
  fatal,    ///< the storage of the run failed: the run stops and can be resumed
};

struct TaskOutcome {
  TaskId task;
  int attempt = 0;
  OutcomeKind kind = OutcomeKind::done;
  bool retryable = true;
  Location location;
  DigestSum digest;  ///< of a store task
  std::uint64_t nanoseconds = 0, bytes_read = 0, bytes_written = 0;
  std::uint64_t cpu_ns = 0;      ///< of the thread
  std::uint64_t peak_bytes = 0;  ///< of the process since its start
  TaskId culprit;
  std::string text;  ///< reason or error
};

/// A task with the records of everything that it reads.
struct Work {
  TaskId task;
  int attempt = 0;
  std::vector<std::pair<TaskId, IndexedResult>> inputs;
};

/// The packs of a stream are being deleted: they must be closed, and later results of the step go to another.
struct Release {
  Stream stream;
  std::int64_t step = -1;
  std::uint64_t next = 0;  ///< the number of the stream for later results of the step
  friend constexpr bool operator==(const Release&, const Release&) = default;
};

/// What a store task publishes, beside its shard.
struct StoredShard {
  std::string file;
  std::uint64_t bytes = 0, checksum = 0;
  Hash128 file_hash;
  DigestSum digest;
  Bytes encode() const;
  static StoredShard decode(std::span<const std::byte> bytes);
};

/// What the task runners of one rank share; outlives them. Thread-safe.
struct Workplace {
  /// Makes the slot file running/<generation>.<rank>, with a slot for each thread.
  Workplace(const Plan& plan_, const InputSet& inputs_, OutputRoot root_, std::uint32_t generation_,
            int rank_, int threads_, bool profile_);
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const Plan& plan;
  const InputSet& inputs;
  OutputRoot root;
  std::uint32_t generation;
  int rank, threads;
  bool profile;  ///< every runner writes a ProfileLog
  ObjectStore store;
  DataAccess data;
  RunningSlots slots;
  WatchedSlots watched;
};

/// What a worker drives. Not synchronised.
class Runner {
 public:
  Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  virtual ~Runner() = default;
  virtual TaskOutcome run(const Work& work) = 0;
  /// Makes all results so far durable: before they are reported. Throws Error{io} or {resource}.
  virtual void sync() = 0;
  /// Bytes appended since the last sync.
  virtual std::uint64_t unsynced_bytes() const = 0;
  virtual void release(const Release& release) = 0;
};

class TaskRunner final : public Runner {
 public:
  /// One runner for each thread of the workplace. Results go to packs of this generation, for each step to a
  /// stream of its own: at first to the one with the number of the step.
  TaskRunner(Workplace& place, int thread);

  TaskOutcome run(const Work& work) override;
  void sync() override;
  std::uint64_t unsynced_bytes() const override { return unsynced_bytes_; }
  void release(const Release& release) override;
  /// Nothing if the run is not profiled.
  ProfileLog* profile() { return profile_ ? &*profile_ : nullptr; }

 private:
  TaskOutcome attempt(const Work& work);
  Bytes execute(const Work& work, const ResultLookup& results, TaskOutcome& outcome);
  Bytes map(const StepPlan& step, TaskId task, const ResultLookup& results, TaskOutcome& outcome);
  Bytes up(const StepPlan& step, TaskId task, const ResultLookup& results, TaskOutcome& outcome);
  Bytes down(const StepPlan& step, TaskId task, const ResultLookup& results);
  Bytes resolve(const StepPlan& step, TaskId task, const ResultLookup& results);
  Bytes store(const StepPlan& step, const Work& work, const ResultLookup& results, TaskOutcome& outcome);
  PackWriter& pack_of(std::int64_t step);
  bool outside_mask(const StepPlan& step, Index block) const;

  const Plan& plan_;
  const InputSet& inputs_;
  const OutputRoot& root_;
  const ObjectStore& store_;
  const DataAccess& data_;
  RunningSlots& slots_;
  std::uint32_t slot_;
  std::size_t reduction_bytes_;
  std::uint32_t generation_, worker_;
  std::vector<std::uint32_t> streams_;         // of each step
  std::map<std::uint32_t, PackWriter> packs_;  // by stream
  std::optional<ProfileLog> profile_;
  std::uint64_t unsynced_bytes_ = 0;
};

/// How the shards of a final volume are laid out and where they lie.
ShardSpec shard_spec_of(const Plan& plan, const StepPlan& store_step);
/// "volumes/<name>.shards", relative to the run directory.
std::string shard_directory(const std::string& volume);

}  // namespace petavox
