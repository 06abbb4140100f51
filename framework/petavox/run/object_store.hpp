#pragma once
// The results of finished tasks, as a task reads them: bundles in packs, found through the records that came
// with the assignment. Promises: what is read was written by the task named, under this plan; anything else
// throws CorruptInput, which names the task to run again. Thread-safe.

#include "petavox/io/bundle.hpp"
#include "petavox/io/result_index.hpp"
#include "petavox/pipeline/plan.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace petavox {

/// Where the results are that a task depends on.
class ResultLookup {
 public:
  virtual ~ResultLookup() = default;
  /// Throws Error{internal} for a task that is not done.
  virtual IndexedResult find(TaskId task) const = 0;
};

/// A list that came with an assignment.
class ResultList final : public ResultLookup {
 public:
  ResultList() = default;
  explicit ResultList(const std::vector<std::pair<TaskId, IndexedResult>>& list)
      : map_(list.begin(), list.end()) {}
  IndexedResult find(TaskId task) const override;

 private:
  std::unordered_map<TaskId, IndexedResult> map_;
};

/// The stored result of `task` is damaged or missing.
class CorruptInput : public CorruptObject {
 public:
  CorruptInput(TaskId task, const std::string& text) : CorruptObject{text}, task_{task} {}
  TaskId task() const { return task_; }

 private:
  TaskId task_;
};

/// Key of the checksums of a task's bundle: bound to the stage's fingerprint, the step and the task.
std::uint64_t bundle_key(const StepPlan& step, Index task_index);

// Numbers of the parts of a bundle. A map writes up to two parts for each port.
constexpr std::uint32_t voxels_part(std::uint32_t port) { return 2 * port; }
constexpr std::uint32_t label_table_part(std::uint32_t port) { return 2 * port + 1; }
inline constexpr std::uint32_t state_part = 0, assignments_part = 1, summary_part = 2;  // of an up task
inline constexpr std::uint32_t values_part = 0;                                         // of a down task
inline constexpr std::uint32_t shard_part = 0;                                          // of a store task

class ObjectStore {
 public:
  ObjectStore(const Plan& plan, const OutputRoot& root, std::size_t cache_bytes);

  /// Calls f(const BundleReader&) on the result of a task; not at all if the task was skipped. Damage inside
  /// f becomes CorruptInput.
  template <class F>
  bool with(TaskId task, const ResultLookup& results, F&& f) const {
    const IndexedResult result = results.find(task);
    if ((result.flags & done_skipped_flag) != 0) return false;
    try {
      f(*reader(task, result.location));
    } catch (const CorruptInput&) {
      throw;
    } catch (const CorruptObject& error) {
      throw CorruptInput{task, error.what()};
    }
    return true;
  }
  /// Closes the packs of a stream, which are being deleted.
  void forget(Stream stream) const { packs_->forget(stream); }
  const Plan& plan() const { return plan_; }

 private:
  static constexpr std::uint32_t done_skipped_flag = 1;
  std::shared_ptr<const BundleReader> reader(TaskId task, const Location& location) const;

  const Plan& plan_;
  std::shared_ptr<const PackReader> packs_;
  std::shared_ptr<ChunkCache> cache_;
  // Directories of the bundles used last: a halo reads up to 27 bundles, and the next block most of them
  // again.
  static constexpr std::size_t max_readers = 256;
  struct Entry {
    TaskId task;
    Location location;
    std::shared_ptr<const BundleReader> reader;
  };
  mutable std::mutex mutex_;
  mutable std::list<Entry> recent_;
  mutable std::unordered_map<TaskId, std::list<Entry>::iterator> entries_;
};

}  // namespace petavox
