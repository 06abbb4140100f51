#include "petavox/run/object_store.hpp"

#include "petavox/base/check.hpp"
#include "petavox/io/journal.hpp"

namespace petavox {

IndexedResult ResultList::find(TaskId task) const {
  const auto found = map_.find(task);
  if (found == map_.end())
    throw Error{ErrorCode::internal,
                "the result of " + to_string(task) +
                    " did not come with the assignment (a bug in petavox); please report it"};
  return found->second;
}

std::uint64_t bundle_key(const StepPlan& step, Index task_index) {
  return mix64(step.key ^ mix64(static_cast<std::uint64_t>(task_index) + 1));
}

ObjectStore::ObjectStore(const Plan& plan, const OutputRoot& root, std::size_t cache_bytes)
    : plan_{plan},
      packs_{std::make_shared<PackReader>(root)},
      cache_{std::make_shared<ChunkCache>(cache_bytes)} {
  static_assert(done_skipped_flag == done_skipped);
}

std::shared_ptr<const BundleReader> ObjectStore::reader(TaskId task, const Location& location) const {
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = entries_.find(task); found != entries_.end()) {
      if (found->second->location == location) {
        recent_.splice(recent_.begin(), recent_, found->second);
        return found->second->reader;
      }
      recent_.erase(found->second);
      entries_.erase(found);
    }
  }
  const StepPlan& step = plan_.step(static_cast<int>(task.step));
  auto made = std::make_shared<const BundleReader>(packs_, location, bundle_key(step, task.index),
                                                   plan_.describe(task), cache_);
  const std::lock_guard lock{mutex_};
  if (!entries_.contains(task)) {
    recent_.push_front({task, location, made});
    entries_[task] = recent_.begin();
    if (recent_.size() > max_readers) {
      entries_.erase(recent_.back().task);
      recent_.pop_back();
    }
  }
  return made;
}

}  // namespace petavox
