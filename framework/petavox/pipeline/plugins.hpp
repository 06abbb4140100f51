#pragma once
// Stages from shared libraries. A file is checked before the dynamic loader sees it, as loading runs its
// code: a regular, readable ELF file for this machine, which others cannot have put there or changed, and
// which exports the entry points of PETAVOX_STAGE_PLUGIN. Promises: a library is never unloaded. Thread
// safety: call from one thread.

#include "petavox/stage/registry.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace petavox {

/// Throws Error{config} saying what is wrong with the file, without loading it.
void check_plugin_file(const std::filesystem::path& file);

/// Checks and loads a plugin and adds its stages to `registry`, with the path as their origin.
/// Returns the names added. Throws Error{config} if the file is refused, has another ABI or a name is taken.
std::vector<std::string> load_plugin(const std::filesystem::path& file, StageRegistry& registry);

}  // namespace petavox
