// The built-in stages once more, as a plugin would bring them: what runs in helpers must give what runs in
// ranks.

#include "petavox/stage/plugin.hpp"

#include "stages/register.hpp"

extern "C" __attribute__((visibility("default"))) int petavox_plugin_abi() { return PETAVOX_PLUGIN_ABI; }
extern "C" __attribute__((visibility("default"))) void petavox_plugin_register(
    petavox::StageRegistry& registry) {
  petavox::StageRegistry own;
  petavox::register_stages(own);
  for (const auto& [name, type] : own.types()) {
    petavox::StageType renamed = type;
    renamed.name = "own_" + name;
    registry.add(std::move(renamed));
  }
}
