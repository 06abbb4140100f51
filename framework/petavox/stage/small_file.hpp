#pragma once
// A small file that a parameter names, such as a trained model: read whole when the plan is made, since a
// stage itself touches no file while it works. A stage notes the digest of what it read among its parameters.

#include "petavox/base/bytes.hpp"

#include <cstdint>
#include <string>

namespace petavox {

/// The content of a regular file of at most `max_bytes`: kind and size are checked before anything is
/// allocated. Throws Error{io} with the path.
Bytes read_small_file(const std::string& path, std::uint64_t max_bytes);

}  // namespace petavox
