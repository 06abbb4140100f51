#pragma once
// The process that starts helpers: forked while the program is small and has one thread, before MPI is
// opened, so that helpers inherit neither. It loads nothing itself. It ends, and its helpers with it, when
// the program does, however that ends. Thread-safe.

#include "petavox/isolation/channel.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace petavox {
class StageRegistry;
}

namespace petavox::isolation {

/// Called in a helper: loads the library, which must have the digest unless that is empty, and adds its
/// stages. Throws Error.
using PluginLoader =
    std::function<void(const std::filesystem::path&, const std::string& sha256, StageRegistry&)>;

struct HelperLimits {
  std::size_t memory_bytes = 0;  ///< of address space above the program; 0: any
  bool confined = true;          ///< cannot change files, start processes, …: see confine.hpp
};

/// How a process ended.
struct Ending {
  int wait_status = 0;
  std::uint64_t peak_bytes = 0;
};
/// "was ended by SIGSEGV (Segmentation fault)", "ended by itself with exit code 0".
std::string to_string(const Ending& ending);

/// What the program holds of a helper.
struct HelperProcess {
  std::uint64_t number = 0;
  int pid = 0;
  Descriptor socket;  ///< for a Channel
  Descriptor output;  ///< what it prints, both streams
  Descriptor ending;  ///< Ending, when it has ended
};

class HelperServer {
 public:
  /// Forks. Call it early in main(). Throws Error{resource}.
  static std::shared_ptr<HelperServer> start(PluginLoader loader);
  ~HelperServer();
  HelperServer(const HelperServer&) = delete;
  HelperServer& operator=(const HelperServer&) = delete;

  /// Throws Error{resource}.
  HelperProcess spawn(const HelperLimits& limits);
  void kill(std::uint64_t number);

 private:
  HelperServer(Descriptor control, int pid) : control_{std::move(control)}, pid_{pid} {}
  std::mutex mutex_;
  Descriptor control_;
  int pid_;
  std::uint64_t next_ = 1;
};

}  // namespace petavox::isolation
