#pragma once
// A profile as a table for people and as JSON.

#include "petavox/run/profile.hpp"

#include <string>

namespace petavox::app {

std::string profile_text(const Profile& profile, const std::string& trace_file);
/// One object.
std::string profile_json(const Profile& profile, const std::string& trace_file);

}  // namespace petavox::app
