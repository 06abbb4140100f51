#pragma once
// Where arrays come from: malloc, or what a program puts in its place.

#include <cstddef>

namespace petavox {

struct ArrayMemory {
  /// Nothing if there is none. Zero-filled if so asked, undefined otherwise.
  std::byte* (*allocate)(std::size_t bytes, bool zeroed);
  void (*free)(std::byte* memory);
  /// Gives back to the system what is kept though nobody uses it.
  void (*release)();
};

/// calloc() and free(), which keep nothing, until use_array_memory() is called.
const ArrayMemory& array_memory();
/// For arrays made from now on; those that are there are freed as they were made. Before there are threads.
void use_array_memory(const ArrayMemory& memory);

}  // namespace petavox
