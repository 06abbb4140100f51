#pragma once
// Which process wrote a file, and whether it still runs. Thread-safe.

#include <cstdint>
#include <string>

namespace petavox {

struct ProcessIdentity {
  std::string host;           ///< name, for messages
  std::uint64_t host_id = 0;  ///< hash of the boot and the process-id namespace; 0: unknown
  std::uint32_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< since boot, as /proc/<pid>/stat says: tells a reused pid
};

ProcessIdentity this_process();

enum class ProcessState { this_process, alive, dead, unknown };
/// unknown: it ran on another host, in another container or before a reboot, which cannot be told apart.
ProcessState state_of(const ProcessIdentity& process);

}  // namespace petavox
