#pragma once
// Snapshots of the journal: what all records up to some place come to, so that a launch reads a bit a task
// and the records behind that place instead of all. "snapshots/<generation>.<number>", written whole under a
// temporary name, synced, and linked to its name; docs/formats.md has the bytes. Promises: a snapshot is a
// cache. The journals stay and remain the record of truth: a snapshot that is missing, damaged or of other
// steps is not used, and nothing is lost with it. Results are read page by page when they are needed, each
// page checked.

#include "petavox/io/finished_tasks.hpp"
#include "petavox/io/journal.hpp"
#include "petavox/io/result_index.hpp"

#include <compare>
#include <functional>
#include <memory>
#include <vector>

namespace petavox {

/// What a snapshot knows beside the results of tasks.
struct SnapshotContent {
  std::vector<Hash128> steps;                ///< fingerprint of each step
  std::vector<std::int64_t> tasks_per_step;  ///< and its number of tasks
  std::vector<JournalPosition> covered;      ///< what of each journal is in it
  std::vector<AttemptRecord> lost;           ///< charges, in the order of the journals
  std::vector<Stream> collected;             ///< streams whose packs were deleted
};
/// A pack that holds results of a step.
struct SnapshotPack {
  std::uint32_t generation = 0, writer = 0;
  std::int64_t step = 0;
  friend constexpr auto operator<=>(const SnapshotPack&, const SnapshotPack&) = default;
};
static_assert(sizeof(SnapshotPack) == 16, "stored as it is");

/// Writes what the index holds, and removes older snapshots; calls `sign_of_life` now and then. Expects that
/// the journals up to `covered` are durable. The results of later records may be in it too: reading them
/// again changes nothing. False, and nothing was written, if the index does not hold `num_done` sound results
/// of each step. Throws Error{io} or Error{resource}, leaving older snapshots as they are.
bool write_snapshot(const OutputRoot& root, std::uint32_t generation, const SnapshotContent& content,
                    ResultIndex& index, const std::vector<std::int64_t>& num_done,
                    const std::function<void()>& sign_of_life = {});

/// Reading of pages is thread-safe.
class Snapshot final : public ResultPages {
 public:
  /// The newest one that is whole and of exactly these steps; nothing if there is none.
  static std::shared_ptr<Snapshot> open_newest(const OutputRoot& root, const std::vector<Hash128>& steps,
                                               const std::vector<std::int64_t>& tasks_per_step);

  const std::string& name() const { return name_; }
  const SnapshotContent& content() const { return content_; }
  /// The tasks that were done; once: they are moved out.
  FinishedTasks take_finished() { return std::move(finished_); }
  /// The packs that hold its results, or held them.
  const std::vector<SnapshotPack>& packs() const { return packs_; }

  void read_page(std::uint64_t page, std::span<ResultRecord> into) const override;

 private:
  Snapshot(File file, std::string name) : file_{std::move(file)}, name_{std::move(name)} {}
  /// False if the file is damaged or of other steps.
  bool load(std::uint32_t generation, const std::vector<Hash128>& steps,
            const std::vector<std::int64_t>& tasks_per_step);

  File file_;
  std::string name_;
  SnapshotContent content_;
  FinishedTasks finished_;
  std::vector<SnapshotPack> packs_;
  std::vector<std::uint64_t> page_checksums_;  // 0: an empty page, not stored
};

}  // namespace petavox
