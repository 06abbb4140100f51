#include "petavox/base/error.hpp"

namespace petavox {

ExitCode exit_code_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::internal:
      return ExitCode::internal;
    case ErrorCode::config:
      return ExitCode::config;
    case ErrorCode::io:
    case ErrorCode::resource:
      return ExitCode::io;
    case ErrorCode::contract:
    case ErrorCode::stage:
      return ExitCode::failed_blocks;
    case ErrorCode::verify:
      return ExitCode::verify_differs;
  }
  return ExitCode::internal;
}

const char* name_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::internal:
      return "internal";
    case ErrorCode::config:
      return "config";
    case ErrorCode::io:
      return "io";
    case ErrorCode::resource:
      return "resource";
    case ErrorCode::contract:
      return "contract";
    case ErrorCode::stage:
      return "stage";
    case ErrorCode::verify:
      return "verify";
  }
  return "internal";
}

}  // namespace petavox
