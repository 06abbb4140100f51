#pragma once
// Where the result of each task is, on disk instead of in the master's memory: one sparse file of fixed
// records, "index/<generation>", step after step. Filled from the journal when a launch starts and deleted
// with it: it is a cache, never the record of truth. A lost or damaged record reads as absent.
// Not synchronised.

#include "petavox/base/task_id.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/io/pack.hpp"

#include <cstdint>
#include <list>
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
  /// Writes what is buffered.
  void flush();

 private:
  struct Record {
    Location location;
    std::uint32_t flags = 0;
    std::uint32_t check = 0;
  };
  static_assert(sizeof(Record) == 40);
  struct Page {
    std::uint64_t number = 0;
    bool dirty = false;
    std::vector<Record> records;
  };
  static std::uint32_t check_of(std::uint64_t number, const Record& record);
  std::uint64_t number_of(TaskId task) const;
  Record& record_of(std::uint64_t number, bool change);
  void write_back(Page& page);

  OutputRoot root_;
  std::uint32_t generation_;
  std::vector<std::int64_t> tasks_per_step_;
  std::vector<std::uint64_t> first_record_;  // of each step
  std::size_t max_pages_;
  File file_;
  std::list<Page> recent_;  // most recently used first
  std::unordered_map<std::uint64_t, std::list<Page>::iterator> pages_;
};

}  // namespace petavox
