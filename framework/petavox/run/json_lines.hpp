#pragma once
// Files of JSON objects, one a line, that are only ever appended to.

#include <algorithm>
#include <string_view>

#include <nlohmann/json.hpp>

namespace petavox {

/// Calls `use` with each object. Lines that are cut, damaged, or of another version (`use` throws what
/// nlohmann::json throws) are passed over: the others are not lost with them.
template <class Use>
void for_each_json_line(std::string_view text, const Use& use) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto json = nlohmann::ordered_json::parse(text.substr(at, end - at), nullptr, false);
    at = end + 1;
    if (!json.is_object()) continue;
    try {
      use(json);
    } catch (const nlohmann::json::exception&) {
    }
  }
}

}  // namespace petavox
