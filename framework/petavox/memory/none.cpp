// In place of operators.cpp where a sanitizer watches memory.

#include "petavox/memory/kept_pages.hpp"

namespace petavox {
void keep_freed_pages() {}
}  // namespace petavox
