#pragma once
// Stages in a shared library. One line at the end of a plugin's source makes it loadable:
//
//   PETAVOX_STAGE_PLUGIN(MyStage, MyOtherStage)
//
// The host checks the ABI version before it calls anything else. A plugin must be built with the same
// compiler family and the same petavox version as the host; it is never unloaded.

#include "petavox/stage/registry.hpp"

/// Changes whenever a type that crosses the plugin boundary changes.
#define PETAVOX_PLUGIN_ABI 3

namespace petavox::detail {
template <class... Stages>
void register_all(StageRegistry& registry) {
  (registry.add<Stages>(), ...);
}
}  // namespace petavox::detail

#define PETAVOX_STAGE_PLUGIN(...)                                                                           \
  extern "C" __attribute__((visibility("default"))) int petavox_plugin_abi() { return PETAVOX_PLUGIN_ABI; } \
  extern "C" __attribute__((visibility("default"))) void petavox_plugin_register(                           \
      petavox::StageRegistry& registry) {                                                                   \
    petavox::detail::register_all<__VA_ARGS__>(registry);                                                   \
  }
