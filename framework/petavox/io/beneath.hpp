#pragma once
// Opening directories without leaving the one that they start from, whatever links are on the way or are
// put there meanwhile. For OutputRoot; a header of its own so that both ways can be tested.

#include "petavox/io/file.hpp"

#include <string>
#include <string_view>

namespace petavox::detail {

enum class Resolver {
  kernel,  ///< openat2(RESOLVE_BENEATH): links are followed as long as they stay below. Linux 5.6
  walk,    ///< part by part; every link is refused
};
/// kernel where it works, else walk.
Resolver best_resolver();

/// Opens the directory `name` (checked, relative; empty: `root` itself) below `root`. An invalid File if it
/// does not exist. Throws Error{io} if it leaves the root or is no directory. `path` is for messages.
File open_directory_beneath(int root, std::string_view name, const std::string& path, Resolver resolver);

}  // namespace petavox::detail
