#pragma once
// Processes that keep the other cores of a machine as busy as a full node would be. Linux.

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace petavox::app {

/// The command line of this process: the program's own file first.
std::vector<std::string> own_command();

class Neighbours {
 public:
  /// Starts the command `count` times, silent, each with a directory in `parent` as its last argument, and
  /// waits until all have made it. They die with this process. Throws Error{io} if one cannot be started,
  /// Error{stage} if one ends.
  Neighbours(const std::vector<std::string>& command, int count, const std::filesystem::path& parent);
  /// Ends them.
  ~Neighbours();
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;
  /// Throws Error{stage} if one has ended: what was measured meanwhile was measured on a machine that was not
  /// full.
  void check() const;

 private:
  void end();
  std::vector<pid_t> processes_;
};

}  // namespace petavox::app
