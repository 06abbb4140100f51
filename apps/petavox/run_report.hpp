#pragma once
// A finished run as text for scripts and people.

#include "petavox/run/run.hpp"

#include <string>

namespace petavox::app {

/// Scores, then "digest <volume> <hex>" for each final volume, and last "digest <hex>" or "digest
/// incomplete".
std::string report_text(const RunReport& report);
/// One object in one line. `profile`: what profile_json() made, or nothing.
std::string report_json(const RunReport& report, const std::string& profile = {});
/// Failed and blocked tasks, on the log: each failure, and how many are blocked by them.
void log_failures(const RunReport& report);

std::string error_json(const Error& error);

}  // namespace petavox::app
