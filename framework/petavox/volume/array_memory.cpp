#include "petavox/volume/array_memory.hpp"

#include <cstdlib>

namespace petavox {
namespace {

constinit ArrayMemory used{
    [](std::size_t bytes, bool zeroed) {
      return static_cast<std::byte*>(zeroed ? std::calloc(bytes, 1) : std::malloc(bytes));
    },
    [](std::byte* memory) { std::free(memory); },
    [] {},
};

}  // namespace

const ArrayMemory& array_memory() { return used; }
void use_array_memory(const ArrayMemory& memory) { used = memory; }

}  // namespace petavox
