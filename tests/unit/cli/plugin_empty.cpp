#include "petavox/stage/plugin.hpp"

extern "C" __attribute__((visibility("default"))) int petavox_plugin_abi() { return PETAVOX_PLUGIN_ABI; }
extern "C" __attribute__((visibility("default"))) void petavox_plugin_register(petavox::StageRegistry&) {}
