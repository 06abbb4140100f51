#pragma once
// Stages from shared libraries. A file is checked before the dynamic loader sees it, as loading runs its
// code: a regular, readable ELF file for this machine, which others cannot have put there or changed, and
// which exports the entry points of PETAVOX_STAGE_PLUGIN. Promises: a library is never unloaded. Thread
// safety: call from one thread.

#include "petavox/isolation/helper_pool.hpp"
#include "petavox/pipeline/config.hpp"
#include "petavox/stage/registry.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace petavox {

/// Throws Error{config} saying what is wrong with the file, without loading it. `sha256`: the digest that it
/// must have, in lower-case hex; empty: any.
void check_plugin_file(const std::filesystem::path& file, const std::string& sha256 = "");

/// Checks and loads a plugin and adds its stages to `registry`, with the path as their origin.
/// Returns the names added. Throws Error{config} if the file is refused, has another ABI or a name is taken.
/// With `helpers` it is first loaded in one of them, so that a library whose constructors crash is refused,
/// too.
std::vector<std::string> load_plugin(const PluginSpec& plugin, StageRegistry& registry,
                                     isolation::HelperPool* helpers = nullptr);

/// The same, but the plugin is never loaded into this process: its stages run in helpers.
std::vector<std::string> isolate_plugin(const PluginSpec& plugin, StageRegistry& registry,
                                        const std::shared_ptr<isolation::HelperPool>& helpers);

}  // namespace petavox
