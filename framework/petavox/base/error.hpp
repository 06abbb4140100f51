#pragma once
// The one exception type of petavox, and the exit codes of its programs.
// Promises: the text reads `<problem> (<why it matters>); <what to do>`.
// Thread safety: immutable after construction.

#include <stdexcept>
#include <string>
#include <utility>

namespace petavox {

enum class ErrorCode {
  internal,  ///< a bug in petavox
  config,    ///< the user's configuration or command line
  io,        ///< the outside world: files, formats, permissions
  resource,  ///< memory, disk space, limits
  contract,  ///< a stage broke its contract (dtype, shape, beyond its halo)
  stage,     ///< a stage failed on a block
  verify,    ///< two runs that must agree differ
};

/// Exit codes of every petavox program; scripts rely on them.
enum class ExitCode : int {
  done = 0,
  internal = 1,
  config = 2,
  io = 3,
  failed_blocks = 4,
  verify_differs = 5,
  interrupted = 75,  ///< stopped on request or a rank died: run the same command again to resume
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& text, bool retryable = false)
      : std::runtime_error{text}, code_{code}, retryable_{retryable} {}

  ErrorCode code() const noexcept { return code_; }
  /// True where the same operation may succeed later (a full disk, a busy file system).
  bool retryable() const noexcept { return retryable_; }

 private:
  ErrorCode code_;
  bool retryable_;
};

/// The exit code that a program ends with when `code` reaches its main function.
ExitCode exit_code_of(ErrorCode code) noexcept;

/// "io", "config", … as printed in logs and reports.
const char* name_of(ErrorCode code) noexcept;

}  // namespace petavox
