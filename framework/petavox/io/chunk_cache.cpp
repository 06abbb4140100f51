#include "petavox/io/chunk_cache.hpp"

#include "petavox/base/hash.hpp"

namespace petavox {

std::size_t ChunkCache::Hash::operator()(const ChunkKey& key) const noexcept {
  const std::uint64_t pack = std::uint64_t{key.generation} << 32 | key.writer;
  const std::uint64_t part = std::uint64_t{key.part} << 8 ^ key.face;
  return static_cast<std::size_t>(
      mix64(pack ^ mix64(key.offset ^ mix64(part ^ mix64(key.chunk + 0x9e3779b97f4a7c15ULL)))));
}

std::shared_ptr<const Bytes> ChunkCache::find(const ChunkKey& key) {
  const std::lock_guard lock{mutex_};
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    ++statistics_.misses;
    return nullptr;
  }
  ++statistics_.hits;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->chunk;
}

void ChunkCache::insert(const ChunkKey& key, std::shared_ptr<const Bytes> chunk) {
  if (chunk->size() > budget_bytes_) return;
  const std::lock_guard lock{mutex_};
  if (entries_.contains(key)) return;  // another thread read the same chunk meanwhile
  statistics_.size_bytes += chunk->size();
  recent_.push_front({key, std::move(chunk)});
  entries_[key] = recent_.begin();
  while (statistics_.size_bytes > budget_bytes_) {
    statistics_.size_bytes -= recent_.back().chunk->size();
    entries_.erase(recent_.back().key);
    recent_.pop_back();
  }
  statistics_.num_chunks = recent_.size();
}

void ChunkCache::clear() {
  const std::lock_guard lock{mutex_};
  entries_.clear();
  recent_.clear();
  statistics_.size_bytes = 0;
  statistics_.num_chunks = 0;
}

ChunkCache::Statistics ChunkCache::statistics() const {
  const std::lock_guard lock{mutex_};
  return statistics_;
}

}  // namespace petavox
