#include "petavox/io/result_index.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/base/hash.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace petavox {
namespace {

constexpr std::uint64_t records_per_page = 512;
constexpr std::uint32_t present = 0x80000000U;  // in Record::flags, so that a hole reads as absent

std::string index_name(std::uint32_t generation) { return "index/" + std::to_string(generation); }

}  // namespace

ResultIndex::ResultIndex(const OutputRoot& root, std::uint32_t generation,
                         std::vector<std::int64_t> tasks_per_step, std::size_t buffer_bytes)
    : root_{root},
      generation_{generation},
      tasks_per_step_{std::move(tasks_per_step)},
      max_pages_{std::max<std::size_t>(1, buffer_bytes / (records_per_page * sizeof(Record)))} {
  std::int64_t first = 0;
  for (const std::int64_t n : tasks_per_step_) {
    PETAVOX_ASSERT(n >= 0);
    first_record_.push_back(static_cast<std::uint64_t>(first));
    first = checked_add(first, n);
  }
  (void)checked_mul(first, static_cast<std::int64_t>(sizeof(Record)));
  root_.make_directories("index");
  for (const std::string& name : root_.list("index")) {
    std::uint32_t older = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), older);
    if (error == std::errc{} && end == name.data() + name.size() && older < generation_)
      root_.remove("index/" + name);
  }
  file_ = root_.create_new(index_name(generation_));
}

ResultIndex::~ResultIndex() {
  try {
    root_.remove(index_name(generation_));
  } catch (const Error&) {
    // The next launch deletes it.
  }
}

std::uint32_t ResultIndex::check_of(std::uint64_t number, const Record& record) {
  const auto bytes = std::as_bytes(std::span{&record, 1}).first(offsetof(Record, check));
  return static_cast<std::uint32_t>(checksum(bytes, mix64(number + 1)));
}

std::uint64_t ResultIndex::number_of(TaskId task) const {
  PETAVOX_ASSERT(task.step >= 0 && usize(task.step) < tasks_per_step_.size());
  PETAVOX_ASSERT(task.index >= 0 && task.index < tasks_per_step_[usize(task.step)]);
  return first_record_[usize(task.step)] + static_cast<std::uint64_t>(task.index);
}

void ResultIndex::write_back(Page& page) {
  if (!page.dirty) return;
  file_.write_all_at(std::as_bytes(std::span{page.records}), page.number * records_per_page * sizeof(Record));
  page.dirty = false;
}

ResultIndex::Record& ResultIndex::record_of(std::uint64_t number, bool change) {
  const std::uint64_t wanted = number / records_per_page;
  auto found = pages_.find(wanted);
  if (found == pages_.end()) {
    Page page;
    if (recent_.size() >= max_pages_) {
      write_back(recent_.back());
      pages_.erase(recent_.back().number);
      page = std::move(recent_.back());
      recent_.pop_back();
    }
    page.number = wanted;
    page.records.assign(records_per_page, Record{});
    // Beyond the end of the file there are only zeros: absent.
    (void)file_.read_at(std::as_writable_bytes(std::span{page.records}),
                        wanted * records_per_page * sizeof(Record));
    recent_.push_front(std::move(page));
    found = pages_.emplace(wanted, recent_.begin()).first;
  } else {
    recent_.splice(recent_.begin(), recent_, found->second);
  }
  Page& page = *found->second;
  page.dirty = page.dirty || change;
  return page.records[number % records_per_page];
}

void ResultIndex::put(TaskId task, const IndexedResult& result) {
  PETAVOX_ASSERT((result.flags & present) == 0);
  const std::uint64_t number = number_of(task);
  Record record{result.location, result.flags | present, 0};
  record.check = check_of(number, record);
  record_of(number, true) = record;
}

void ResultIndex::erase(TaskId task) { record_of(number_of(task), true) = Record{}; }

std::optional<IndexedResult> ResultIndex::get(TaskId task) {
  const std::uint64_t number = number_of(task);
  const Record& record = record_of(number, false);
  if ((record.flags & present) == 0 || record.check != check_of(number, record)) return std::nullopt;
  return IndexedResult{record.location, record.flags & ~present};
}

void ResultIndex::flush() {
  for (Page& page : recent_) write_back(page);
}

}  // namespace petavox
