#include "petavox/io/result_index.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/base/hash.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace petavox {
namespace {

std::string index_name(std::uint32_t generation) { return "index/" + std::to_string(generation); }

}  // namespace

std::uint32_t result_check(std::uint64_t number, const ResultRecord& record) {
  const auto bytes = std::as_bytes(std::span{&record, 1}).first(offsetof(ResultRecord, check));
  return static_cast<std::uint32_t>(checksum(bytes, mix64(number + 1)));
}

bool is_sound(std::uint64_t number, const ResultRecord& record) {
  return (record.flags & result_present) != 0 && record.check == result_check(number, record);
}

ResultIndex::ResultIndex(const OutputRoot& root, std::uint32_t generation,
                         std::vector<std::int64_t> tasks_per_step, std::size_t buffer_bytes)
    : root_{root},
      generation_{generation},
      tasks_per_step_{std::move(tasks_per_step)},
      max_pages_{std::max<std::size_t>(1, buffer_bytes / result_page_bytes)} {
  std::int64_t first = 0;
  for (const std::int64_t n : tasks_per_step_) {
    PETAVOX_ASSERT(n >= 0);
    first_record_.push_back(static_cast<std::uint64_t>(first));
    first = checked_add(first, n);
  }
  (void)checked_mul(first, static_cast<std::int64_t>(sizeof(ResultRecord)));
  written_.resize(num_pages());
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

std::uint64_t ResultIndex::number_of(TaskId task) const {
  PETAVOX_ASSERT(task.step >= 0 && usize(task.step) < tasks_per_step_.size());
  PETAVOX_ASSERT(task.index >= 0 && task.index < tasks_per_step_[usize(task.step)]);
  return first_record_[usize(task.step)] + static_cast<std::uint64_t>(task.index);
}

std::uint64_t ResultIndex::num_pages() const {
  if (tasks_per_step_.empty()) return 0;
  const std::uint64_t records = first_record_.back() + static_cast<std::uint64_t>(tasks_per_step_.back());
  return (records + results_per_page - 1) / results_per_page;
}

void ResultIndex::set_base(std::shared_ptr<const ResultPages> base, std::function<void()> refill) {
  PETAVOX_ASSERT(recent_.empty());
  base_ = std::move(base);
  refill_ = std::move(refill);
}

void ResultIndex::clear() {
  base_ = nullptr;
  recent_.clear();
  pages_.clear();
  written_.assign(written_.size(), false);
}

void ResultIndex::write_back(Page& page) {
  if (!page.dirty) return;
  file_.write_all_at(std::as_bytes(std::span{page.records}), page.number * result_page_bytes);
  written_[page.number] = true;
  page.dirty = false;
}

ResultIndex::Page& ResultIndex::load(std::uint64_t wanted) {
  if (!recent_.empty() && recent_.front().number == wanted) return recent_.front();
  if (const auto found = pages_.find(wanted); found != pages_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return recent_.front();
  }
  Page page;
  if (recent_.size() >= max_pages_) {
    write_back(recent_.back());
    pages_.erase(recent_.back().number);
    page = std::move(recent_.back());
    recent_.pop_back();
  }
  page.number = wanted;
  page.records.assign(results_per_page, ResultRecord{});
  if (!written_[wanted] && base_ != nullptr) {
    try {
      base_->read_page(wanted, page.records);
    } catch (const CorruptObject&) {
      clear();
      std::exchange(refill_, {})();
      return load(wanted);
    }
  } else if (written_[wanted]) {
    (void)file_.read_at(std::as_writable_bytes(std::span{page.records}), wanted * result_page_bytes);
  }
  recent_.push_front(std::move(page));
  pages_.emplace(wanted, recent_.begin());
  return recent_.front();
}

ResultRecord& ResultIndex::record_of(std::uint64_t number, bool change) {
  Page& page = load(number / results_per_page);
  page.dirty = page.dirty || change;
  return page.records[number % results_per_page];
}

void ResultIndex::put(TaskId task, const IndexedResult& result) {
  PETAVOX_ASSERT((result.flags & result_present) == 0);
  const std::uint64_t number = number_of(task);
  ResultRecord record{result.location, result.flags | result_present, 0};
  record.check = result_check(number, record);
  record_of(number, true) = record;
}

void ResultIndex::erase(TaskId task) { record_of(number_of(task), true) = ResultRecord{}; }

std::optional<IndexedResult> ResultIndex::get(TaskId task) {
  const std::uint64_t number = number_of(task);
  const ResultRecord& record = record_of(number, false);
  if (!is_sound(number, record)) return std::nullopt;
  return IndexedResult{record.location, record.flags & ~result_present};
}

void ResultIndex::flush() {
  for (Page& page : recent_) write_back(page);
}

}  // namespace petavox
