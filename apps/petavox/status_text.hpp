#pragma once
// How a run stands, as text and as one JSON object.

#include "petavox/run/run_status.hpp"

#include <string>

namespace petavox::app {

std::string status_text(const std::string& directory, const RunStatus& status);
std::string status_json(const std::string& directory, const RunStatus& status);
/// The same as progress, to draw it.
Progress progress_of(const RunStatus& status);

}  // namespace petavox::app
