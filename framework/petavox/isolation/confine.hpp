#pragma once
// What a helper may still do: compute, and read files. Linux; Local. Each process of its own.

#include <cstddef>

namespace petavox::isolation {

/// Closes every descriptor above 2 that is not in the ascending list.
void close_all_but(const int* kept, std::size_t num_kept);

/// For good: no core files, nothing written to files, few descriptors, no new processes, and at most
/// `memory_bytes` (0: any) of address space beyond what there is now.
void limit_resources(std::size_t memory_bytes);

/// For good: system calls that would change files, start programs or processes, reach other processes or the
/// network, or raise limits fail with EPERM. False where the kernel or the machine has no such filters.
bool forbid_side_effects();

}  // namespace petavox::isolation
