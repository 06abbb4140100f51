#pragma once
// Processes that keep the other cores of a machine as busy as a full node would be. Linux.

#include "apps/petavox/launched_process.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace petavox::app {

/// The command line of this process.
std::vector<std::string> own_command();

class Neighbours {
 public:
  /// Starts this program `count` times with these arguments, each with a directory in `parent` as its last,
  /// and waits until all have made theirs. They end with this process. Throws Error{stage} if one ends
  /// before, or makes none in a minute.
  Neighbours(const std::vector<std::string>& arguments, int count, const std::filesystem::path& parent);
  /// Throws Error{stage} if one has ended: what was measured meanwhile was measured on a machine that was not
  /// full.
  void check();

 private:
  std::vector<std::unique_ptr<LaunchedProcess>> processes_;  // killed when they are destroyed
};

}  // namespace petavox::app
