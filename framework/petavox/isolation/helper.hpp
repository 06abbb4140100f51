#pragma once
// The life of a helper: it loads a plugin and runs its stages for the process at the other end of a socket.

#include "petavox/isolation/helper_server.hpp"

namespace petavox::isolation {

/// Serves until the socket is closed.
void serve_as_helper(Descriptor socket, const PluginLoader& loader);

}  // namespace petavox::isolation
