#pragma once
// A plan as text: blocks, tasks, bytes, files and memory, before anything is run.

#include "apps/petavox/setup.hpp"

#include <string>

namespace petavox::app {

std::string plan_text(const Pipeline& pipeline, int ranks);
/// One object in one line.
std::string plan_json(const Pipeline& pipeline, int ranks);

}  // namespace petavox::app
