#pragma once
// Stages of plugins that run in helpers: to planner, executors and kits they are stages like others. What
// they say and write is checked before it is used.

#include "petavox/isolation/helper_pool.hpp"
#include "petavox/stage/registry.hpp"

#include <filesystem>
#include <memory>
#include <vector>

namespace petavox::isolation {

/// Types whose stages are made, asked and run in helpers; the plugin is never loaded into this process.
/// `plugin` is their origin. Throws Error{config} if a helper cannot load it.
std::vector<StageType> isolated_types(const std::filesystem::path& plugin, std::shared_ptr<HelperPool> pool);

/// Whether a step of a program runs in a helper.
bool is_isolated(const Stage* stage);
bool is_isolated(const TreeReduction* reduction);

}  // namespace petavox::isolation
