#pragma once
// The unpacked chunks that a worker read last, up to a number of bytes: neighbouring blocks read the same
// chunks. Thread-safe.

#include "petavox/base/bytes.hpp"

#include <compare>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace petavox {

/// A chunk of a bundle, over all packs of a run.
struct ChunkKey {
  std::uint32_t generation = 0, writer = 0;
  std::uint64_t offset = 0;          ///< of the bundle in its pack
  std::uint32_t part = 0, face = 0;  ///< face: 0 for the part itself, else 1 + number of its face layer
  std::uint64_t chunk = 0;
  friend constexpr bool operator==(const ChunkKey&, const ChunkKey&) = default;
};

class ChunkCache {
 public:
  struct Statistics {
    std::uint64_t hits = 0, misses = 0;
    std::size_t num_chunks = 0, size_bytes = 0;
  };

  /// With a budget of 0 nothing is kept.
  explicit ChunkCache(std::size_t budget_bytes) : budget_bytes_{budget_bytes} {}

  /// Nothing (null) if the chunk is not there.
  std::shared_ptr<const Bytes> find(const ChunkKey& key);
  /// Keeps the chunk, and drops those not used for longest until the budget is kept.
  void insert(const ChunkKey& key, std::shared_ptr<const Bytes> chunk);
  void clear();
  Statistics statistics() const;

 private:
  struct Hash {
    std::size_t operator()(const ChunkKey& key) const noexcept;
  };
  struct Entry {
    ChunkKey key;
    std::shared_ptr<const Bytes> chunk;
  };
  std::size_t budget_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> recent_;  // most recently used first
  std::unordered_map<ChunkKey, std::list<Entry>::iterator, Hash> entries_;
  Statistics statistics_;
};

}  // namespace petavox
