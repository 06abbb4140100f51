// Linked into a test program: arrays that are not asked for as zeros hold rubbish, so that a voxel that
// nobody writes is seen.

#include "petavox/volume/array_memory.hpp"

#include <cstdlib>
#include <cstring>

namespace {

const bool poisoned = [] {
  petavox::use_array_memory({[](std::size_t bytes, bool zeroed) {
                               void* const memory = std::malloc(bytes);
                               if (memory != nullptr) std::memset(memory, zeroed ? 0 : 0xa5, bytes);
                               return static_cast<std::byte*>(memory);
                             },
                             [](std::byte* memory) { std::free(memory); }, [] {}});
  return true;
}();

}  // namespace
