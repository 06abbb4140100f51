#pragma once
// Inside of the configuration reader: from text to a tree of values, and the passes over that tree before it
// is interpreted. Not installed for use by others.

#include "petavox/pipeline/config.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace petavox::config_detail {

/// One YAML document as a tree. Refuses duplicate keys, tags, further documents, and what exceeds the limits
/// of config.hpp; a problem makes the result `none`. Aliases are copied, within the limit on values.
Value parse_yaml(std::string_view text, const std::string& origin, Problems& problems);

/// The tree as YAML in block style; parse_yaml() of it gives an equal tree.
std::string to_yaml(const Value& value);

/// Applies "key.path=value" to the tree, making maps on the way.
void apply_override(Value& root, const std::string& text, Problems& problems);
/// Values of overrides have no line.
inline bool from_override(const Value& value) { return value.where.line == 0; }

/// Decides between a path and a phantom where overrides left both, and removes the further inputs that belong
/// to a main input which an override replaced; `written` is the tree before overrides.
void settle_inputs(Value& root, const Value& written, const std::filesystem::path& base, RunConfig& config,
                   Problems& problems);

/// Replaces every relative path in the tree: those from overrides relative to the current directory, others
/// relative to `base`.
void make_paths_absolute(Value& root, const std::filesystem::path& base);

/// Interprets `input` and `inputs`.
void read_inputs(const Value& root, RunConfig& config, Problems& problems);

/// The section `key` of the root if it is a map; an empty one, with a problem unless it is missing,
/// otherwise.
const Value& section(const Value& root, const std::string& key, Problems& problems);

/// Adds a problem and returns false if a volume of this shape cannot be addressed.
bool check_size(Extent shape, const std::string& key, const Position& where, Problems& problems);

}  // namespace petavox::config_detail
