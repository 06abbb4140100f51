#include "petavox/volume/huge_pages.hpp"

#include <cstdint>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace petavox {

void prefer_huge_pages(std::span<std::byte> memory) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::size_t page = std::size_t{2} << 20;
  if (memory.size() < 4 * page) return;
  // Whole pages inside: what lies beside the array is not ours to speak for.
  const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(memory.data()) % page) % page;
  const std::size_t size = (memory.size() - before) / page * page;
  // A refusal costs time only.
  (void)::madvise(memory.data() + before, size, MADV_HUGEPAGE);
#else
  (void)memory;
#endif
}

}  // namespace petavox
