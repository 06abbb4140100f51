#include "petavox/memory/kept_pages.hpp"

#include "petavox/volume/huge_pages.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace petavox {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;
/// From here on an allocation is a whole number of huge pages.
constexpr std::size_t large_bytes = std::size_t{8} << 20;
constexpr std::size_t small_unit = std::size_t{16} << 10;
/// Arrays begin at different places of their first page: equal elements of arrays that are read together
/// would fall on the same few lines of the caches, as they do on huge pages.
constexpr std::size_t colours = 15, small_colour = 64, large_colour = 4096 + 64;
static_assert(colours * small_colour < small_unit && colours * large_colour < huge_page);
/// What the process may grow by without anything being given back: less than the system counts exactly.
constexpr std::size_t tolerance = huge_page;
constexpr std::size_t most_space = std::size_t{1} << 40, least_space = std::size_t{1} << 36;

std::size_t rounded_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

std::size_t resident_bytes() {
  static const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  char text[128];
  const ssize_t size = ::pread(file, text, sizeof text - 1, 0);
  unsigned long all = 0, resident = 0;
  if (size <= 0) return 0;
  text[size] = 0;
  return std::sscanf(text, "%lu %lu", &all, &resident) == 2 ? resident * page : 0;
}

/// On all but the last page if that is not full: what is left of it is nobody's, and would be there.
void use_huge_pages(std::byte* begin, std::size_t bytes, [[maybe_unused]] std::size_t size) {
  const std::size_t whole = bytes / huge_page * huge_page;
  prefer_huge_pages({begin, whole});
#ifdef MADV_NOHUGEPAGE
  if (whole < size) (void)::madvise(begin + whole, size - whole, MADV_NOHUGEPAGE);
#endif
}

/// Then what is reserved here would be missing elsewhere.
bool address_space_is_limited() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

KeptPages::KeptPages() {
  if (address_space_is_limited()) return;
  for (std::size_t space = most_space; space >= least_space; space /= 4) {
    void* reserved = ::mmap(nullptr, space + huge_page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserved == MAP_FAILED) continue;
    begin_ = static_cast<std::byte*>(reserved);
    begin_ += (huge_page - reinterpret_cast<std::uintptr_t>(begin_) % huge_page) % huge_page;
    end_ = begin_ + space;
    small_ = {begin_, small_unit, {{0, {space / 2, false}}}, {}};
    large_ = {begin_ + space / 2, huge_page, {{0, {space / 2, false}}}, {}};
    return;
  }
}

KeptPages::~KeptPages() {
  if (begin_ != nullptr) ::munmap(begin_, static_cast<std::size_t>(end_ - begin_));
}

KeptPages::Arena& KeptPages::arena_of(const void* memory) {
  return static_cast<const std::byte*>(memory) < large_.begin ? small_ : large_;
}

/// Free extents that touch are one run. Of each run the beginning and the end are candidates: the one that
/// holds more kept pages wins, then the shorter run.
KeptPages::Place KeptPages::best_place(const Arena& arena, std::size_t bytes) {
  Place best;
  std::size_t best_run = 0;
  for (auto first = arena.free.begin(); first != arena.free.end();) {
    auto last = first;
    std::size_t end = first->first + first->second.bytes;
    for (auto next = std::next(last); next != arena.free.end() && next->first == end; ++next) {
      end += next->second.bytes;
      last = next;
    }
    const std::size_t run = end - first->first;
    if (run >= bytes)
      for (const std::size_t offset : {first->first, end - bytes}) {
        std::size_t kept = 0;
        for (auto extent = first;; ++extent) {
          const std::size_t from = std::max(offset, extent->first);
          const std::size_t to = std::min(offset + bytes, extent->first + extent->second.bytes);
          if (extent->second.kept && to > from) kept += to - from;
          if (extent == last) break;
        }
        if (!best.found || kept > best.kept || (kept == best.kept && run < best_run)) {
          best = {offset, kept, true};
          best_run = run;
        }
      }
    first = std::next(last);
  }
  return best;
}

/// Joins what is freed to neighbours of its kind. Without memory for the book-keeping the stretch is lost.
void KeptPages::insert(Arena& arena, std::size_t offset, Extent extent) {
  auto next = arena.free.lower_bound(offset);
  if (next != arena.free.end() && next->first == offset + extent.bytes && next->second.kept == extent.kept) {
    extent.bytes += next->second.bytes;
    next = arena.free.erase(next);
  }
  if (next != arena.free.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second.bytes == offset && before->second.kept == extent.kept) {
      before->second.bytes += extent.bytes;
      return;
    }
  }
  try {
    arena.free.emplace_hint(next, offset, extent);
  } catch (const std::bad_alloc&) {
    (void)::madvise(arena.begin + offset, extent.bytes, MADV_DONTNEED);
  }
}

/// Takes a stretch out of the free extents; returns the parts whose pages are there.
std::vector<std::span<std::byte>> KeptPages::take(Arena& arena, std::size_t offset, std::size_t bytes) {
  std::vector<std::span<std::byte>> kept;
  const std::size_t end = offset + bytes;
  auto at = std::prev(arena.free.upper_bound(offset));
  while (at != arena.free.end() && at->first < end) {
    const std::size_t begin = at->first;
    const Extent extent = at->second;
    const std::size_t from = std::max(begin, offset), to = std::min(begin + extent.bytes, end);
    at = arena.free.erase(at);
    if (begin < from) arena.free.emplace_hint(at, begin, Extent{from - begin, extent.kept});
    if (to < begin + extent.bytes)
      at = arena.free.emplace_hint(at, to, Extent{begin + extent.bytes - to, extent.kept});
    if (extent.kept) kept.emplace_back(arena.begin + from, to - from);
  }
  return kept;
}

/// Gives so many kept bytes back, or all, the largest addresses first: those that are seldom used.
void KeptPages::give_back(std::size_t bytes) {
  for (Arena* arena : {&large_, &small_})
    for (auto at = arena->free.end(); bytes > 0 && at != arena->free.begin();) {
      --at;
      if (!at->second.kept) continue;
      const std::size_t some = std::min(at->second.bytes, rounded_up(bytes, arena->unit));
      const std::size_t from = at->first + at->second.bytes - some;
      constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
      if (::mmap(arena->begin + from, some, PROT_NONE, flags, -1, 0) == MAP_FAILED)
        (void)::madvise(arena->begin + from, some, MADV_DONTNEED);
      kept_ -= some;
      bytes -= std::min(bytes, some);
      if (some < at->second.bytes)
        at->second.bytes -= some;
      else
        at = arena->free.erase(at);
      insert(*arena, from, {some, false});
      at = arena->free.lower_bound(from);
    }
}

void* KeptPages::allocate(std::size_t bytes, bool zeroed) noexcept try {
  if (begin_ == nullptr || bytes > least_space) return nullptr;
  std::vector<std::span<std::byte>> used;
  std::byte* memory = nullptr;
  {
    const std::lock_guard lock{mutex_};
    Arena& arena = bytes < large_bytes ? small_ : large_;
    const std::size_t colour = (&arena == &large_ ? large_colour : small_colour) * (colour_++ % colours);
    const std::size_t size = rounded_up(bytes + colour, arena.unit);
    const Place place = best_place(arena, size);
    if (!place.found) return nullptr;
    std::byte* const begin = arena.begin + place.offset;
    if (place.kept < size) {
      if (::mprotect(begin, size, PROT_READ | PROT_WRITE) != 0) return nullptr;
      if (&arena == &large_) use_huge_pages(begin, bytes + colour, size);
    }
    memory = begin + colour;
    arena.in_use.emplace(place.offset, size);
    used = take(arena, place.offset, size);
    in_use_ += size;
    kept_ -= place.kept;
    most_in_use_ = std::max(most_in_use_, in_use_);
    if (kept_ > 0) keep_within_peak(size - place.kept);
  }
  if (zeroed)
    for (const std::span<std::byte> part : used) std::memset(part.data(), 0, part.size());
  return memory;
} catch (...) {
  return nullptr;  // not enough memory for the book-keeping
}

/// Gives back what does not fit into what was needed at once before, when `fresh` bytes more are touched.
void KeptPages::keep_within_peak(std::size_t fresh) {
  const auto beyond = [](std::size_t a, std::size_t b) { return a > b ? a - b : 0; };
  const std::size_t resident = resident_bytes();
  most_needed_ = std::max(most_needed_, beyond(resident, kept_));
  const std::size_t too_many =
      std::max(beyond(in_use_ + kept_, most_in_use_), beyond(resident + fresh, most_needed_ + tolerance));
  give_back(std::min(too_many, kept_));
}

void KeptPages::free(void* memory) noexcept {
  const std::lock_guard lock{mutex_};
  Arena& arena = arena_of(memory);
  const auto inside = static_cast<std::size_t>(static_cast<std::byte*>(memory) - arena.begin);
  const std::size_t offset = inside / arena.unit * arena.unit;
  const auto found = arena.in_use.find(offset);
  const std::size_t size = found->second;
  keep_within_peak(0);
  arena.in_use.erase(found);
  in_use_ -= size;
  kept_ += size;
  insert(arena, offset, {size, true});
}

void KeptPages::release() noexcept {
  const std::lock_guard lock{mutex_};
  give_back(kept_);
}

void return_freed_blocks() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(KeptPages::least_bytes));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(KeptPages::least_bytes));
#endif
}

KeptPages::Bytes KeptPages::bytes() const noexcept {
  const std::lock_guard lock{mutex_};
  return {in_use_, kept_};
}

}  // namespace petavox
