#pragma once
// Pages of large allocations, kept from one task to the next.

#include <cstddef>
#include <map>
#include <mutex>
#include <span>
#include <vector>

namespace petavox {

/// Hands out memory for allocations of 128 KiB and more, and keeps the pages of what is freed for those that
/// come: a page that is there need not be cleared by the system, which is a seventh of the time from
/// affinities to segments (docs/decisions/0028-kept-pages.md). What is kept never adds to the peak of the
/// process: pages go back as soon as those in use and those kept would be more than were in use at once
/// before, or the process would be larger than what it has needed before. Allocations of 8 MiB and more lie
/// on huge pages. Safe to call from any thread. Hands out nothing where address space is limited.
class KeptPages {
 public:
  static constexpr std::size_t least_bytes = std::size_t{128} << 10;
  static constexpr std::size_t alignment = 64;

  KeptPages();
  ~KeptPages();
  KeptPages(const KeptPages&) = delete;
  KeptPages& operator=(const KeptPages&) = delete;

  /// Aligned to `alignment`. Nothing if there is none. The content is undefined unless `zeroed`.
  void* allocate(std::size_t bytes, bool zeroed) noexcept;
  /// Whether `memory` is of these pages; for any pointer, without a lock.
  bool owns(const void* memory) const noexcept {
    const auto* at = static_cast<const std::byte*>(memory);
    return at >= begin_ && at < end_;
  }
  void free(void* memory) noexcept;
  /// Gives all kept pages back: before work that takes much memory from elsewhere.
  void release() noexcept;

  struct Bytes {
    std::size_t in_use = 0, kept = 0;
  };
  Bytes bytes() const noexcept;

 private:
  /// A stretch of address space that is free. `kept`: its pages are still there.
  struct Extent {
    std::size_t bytes = 0;
    bool kept = false;
  };
  /// Address space in units of one size.
  struct Arena {
    std::byte* begin = nullptr;
    std::size_t unit = 0;
    std::map<std::size_t, Extent> free;         ///< by offset; neighbours differ in `kept`
    std::map<std::size_t, std::size_t> in_use;  ///< bytes by offset
  };
  struct Place {
    std::size_t offset = 0, kept = 0;
    bool found = false;
  };

  static Place best_place(const Arena& arena, std::size_t bytes);
  static std::vector<std::span<std::byte>> take(Arena& arena, std::size_t offset, std::size_t bytes);
  static void insert(Arena& arena, std::size_t offset, Extent extent);
  void keep_within_peak(std::size_t fresh);
  void give_back(std::size_t bytes);
  Arena& arena_of(const void* memory);

  mutable std::mutex mutex_;
  std::byte *begin_ = nullptr, *end_ = nullptr;
  Arena small_, large_;
  std::size_t in_use_ = 0, kept_ = 0, most_in_use_ = 0;
  std::size_t most_needed_ = 0;  ///< what was resident and not kept, at most
  std::size_t colour_ = 0;
};

/// What malloc gives beside kept pages, to libraries, goes back to the system as soon as it is freed: else
/// blocks of every size lie between what is held for long, and the peak of a worker is that of a heap full of
/// holes, which no plan knows.
void return_freed_blocks();

/// From now on large arrays and what `operator new` gives are kept pages. Once, before there are threads.
/// Does nothing where a sanitizer watches memory.
void keep_freed_pages();

}  // namespace petavox
