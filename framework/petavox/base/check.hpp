#pragma once
// Checks for bugs in petavox itself. User errors are `Error`s, never assertions.
// PETAVOX_ASSERT(condition): always on, for conditions that cost nothing beside the work they guard.
// PETAVOX_DEBUG_ASSERT(condition): only in checked builds (PETAVOX_CHECKED), for per-voxel conditions.

#include "petavox/base/error.hpp"

#include <string>

namespace petavox::detail {
[[noreturn]] inline void assertion_failed(const char* condition, const char* file, int line) {
  throw Error{ErrorCode::internal, std::string{"assertion failed: "} + condition + " at " + file + ":" +
                                       std::to_string(line) + " (a bug in petavox); please report it"};
}
}  // namespace petavox::detail

#define PETAVOX_ASSERT(condition)         \
  (static_cast<bool>(condition) ? void(0) \
                                : ::petavox::detail::assertion_failed(#condition, __FILE__, __LINE__))

#ifdef PETAVOX_CHECKED
#define PETAVOX_DEBUG_ASSERT(condition) PETAVOX_ASSERT(condition)
#else
#define PETAVOX_DEBUG_ASSERT(condition) void(0)
#endif
