#pragma once
// Where the result of each task is, on disk instead of in the master's memory: one sparse file of fixed
// records, "index/<generation>", step after step. Filled from the journal when a launch starts and deleted
// with it: it is a cache, never the record of truth. A lost or damaged record reads as absent. Pages that
// were not changed may lie in a snapshot. Not synchronised.

#include "petavox/base/task_id.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/io/result_page.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace petavox {

struct IndexedResult {
  Location location;
  std::uint32_t flags = 0;  ///< of the DoneRecord
  friend constexpr bool operator==(const IndexedResult&, const IndexedResult&) = default;
};

class ResultIndex {
 public:
  /// Makes the file of this generation and deletes those of older ones. Memory: at most `buffer_bytes`.
  ResultIndex(const OutputRoot& root, std::uint32_t generation, std::vector<std::int64_t> tasks_per_step,
              std::size_t buffer_bytes = std::size_t{4} << 20);
  /// Deletes the file.
  ~ResultIndex();
  ResultIndex(const ResultIndex&) = delete;
  ResultIndex& operator=(const ResultIndex&) = delete;

  // All expect a task of the plan, else Error{internal}.
  void put(TaskId task, const IndexedResult& result);
  void erase(TaskId task);
  std::optional<IndexedResult> get(TaskId task);
  /// Forgets all results.
  void clear();
  /// Writes what is buffered.
  void flush();

  /// What pages hold that nobody has changed yet, instead of nothing. Where such a page is damaged, the index
  /// forgets everything and calls `refill`, which must put() all results again. Expects an empty index.
  void set_base(std::shared_ptr<const ResultPages> base, std::function<void()> refill);

  const std::vector<std::int64_t>& tasks_per_step() const { return tasks_per_step_; }
  std::uint64_t num_pages() const;
  /// The records of a page; valid until the next call. Records are numbered step after step.
  const std::vector<ResultRecord>& page(std::uint64_t number) { return load(number).records; }

 private:
  struct Page {
    std::uint64_t number = 0;
    bool dirty = false;
    std::vector<ResultRecord> records;
  };
  std::uint64_t number_of(TaskId task) const;
  ResultRecord& record_of(std::uint64_t number, bool change);
  Page& load(std::uint64_t number);
  void write_back(Page& page);

  OutputRoot root_;
  std::uint32_t generation_;
  std::vector<std::int64_t> tasks_per_step_;
  std::vector<std::uint64_t> first_record_;  // of each step
  std::size_t max_pages_;
  File file_;
  std::shared_ptr<const ResultPages> base_;
  std::function<void()> refill_;
  std::vector<bool> written_;  // pages that are in the file; the others are those of the base
  std::list<Page> recent_;     // most recently used first
  std::unordered_map<std::uint64_t, std::list<Page>::iterator> pages_;
};

}  // namespace petavox
