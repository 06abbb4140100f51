#pragma once
// The error of a stored object whose bytes are not what was written: damaged, truncated, swapped, stale or
// missing.

#include "petavox/base/error.hpp"

namespace petavox {

/// Tells an executor that reading again cannot help, but running again the task that made the object can.
class CorruptObject : public Error {
 public:
  explicit CorruptObject(const std::string& text) : Error{ErrorCode::io, text} {}
};

}  // namespace petavox
