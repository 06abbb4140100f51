#pragma once
// A file system in memory: the calls of libc with which petavox reaches files, for paths below `memory_root`.
// simulate_faults is linked so that those calls come here (ld's --wrap); everything else goes on to libc.
// Files, names, hard links, directories and shared mappings are as POSIX says; there are no permissions,
// times or symbolic links. For one thread.

#include <string_view>

namespace petavox::simulation {

inline constexpr std::string_view memory_root = "/petavox-memory";

/// Removes everything. Expects that nothing is open or mapped.
void clear_memory_files();

}  // namespace petavox::simulation
