#pragma once
// Large pages for large arrays.

#include <cstddef>
#include <span>

namespace petavox {

/// Asks the system to back memory that has not been written yet with huge pages: one fault for 2 MiB instead
/// of 512, which took nearly half of the time of kernels that fill an array (docs/performance.md). Does
/// nothing for less than 8 MiB, or where the system has none. Content and peak memory stay what they are.
void prefer_huge_pages(std::span<std::byte> memory);

}  // namespace petavox
