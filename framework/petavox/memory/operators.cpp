// operator new and delete of a program that keeps pages: large allocations come from KeptPages once
// keep_freed_pages() was called, all others from malloc. Linked into programs, not into libraries.

#include "petavox/memory/kept_pages.hpp"
#include "petavox/volume/array_memory.hpp"

#include <cstdlib>
#include <new>

namespace petavox {
namespace {

/// Never destroyed: memory is freed after main(), too.
constinit KeptPages* pages = nullptr;

void* allocate_or_null(std::size_t bytes, std::size_t alignment) noexcept {
  if (pages != nullptr && bytes >= KeptPages::least_bytes && alignment <= KeptPages::alignment)
    if (void* memory = pages->allocate(bytes, false)) return memory;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes == 0 ? 1 : bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  while (true) {
    if (void* memory = allocate_or_null(bytes, alignment)) return memory;
    // As the standard asks: the handler may make room.
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc{};
    handler();
  }
}

void release(void* memory) noexcept {
  if (pages != nullptr && pages->owns(memory))
    pages->free(memory);
  else
    std::free(memory);
}

std::byte* allocate_array(std::size_t bytes, bool zeroed) {
  if (bytes >= KeptPages::least_bytes)
    if (void* memory = pages->allocate(bytes, zeroed)) return static_cast<std::byte*>(memory);
  return static_cast<std::byte*>(zeroed ? std::calloc(bytes, 1) : std::malloc(bytes));
}

}  // namespace

void keep_freed_pages() {
  if (pages != nullptr) return;
  pages = new KeptPages;
  use_array_memory({allocate_array, [](std::byte* memory) { release(memory); }, [] { pages->release(); }});
}

}  // namespace petavox

void* operator new(std::size_t bytes) { return petavox::allocate(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return petavox::allocate(bytes, static_cast<std::size_t>(alignment));
}
// The standard's other forms of new call these, and its other forms of delete these.
void operator delete(void* memory) noexcept { petavox::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { petavox::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { petavox::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { petavox::release(memory); }
