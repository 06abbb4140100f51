#pragma once
// The built-in stages.

#include "petavox/stage/registry.hpp"

namespace petavox {

/// Adds every built-in stage.
void register_stages(StageRegistry& registry);

}  // namespace petavox
