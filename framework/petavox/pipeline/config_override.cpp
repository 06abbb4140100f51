#include "petavox/pipeline/config_detail.hpp"

#include <fmt/format.h>

namespace petavox::config_detail {
namespace {

void set_origin(Value& value, const Position& where) {
  value.where = where;
  for (Value& item : value.items) set_origin(item, where);
  for (auto& [key, entry] : value.entries) set_origin(entry, where);
}

Value override_value(const std::string& text, const Position& where, Problems& problems) {
  Value value;
  if (text.empty()) {
    value.where = where;
    return value;
  }
  if (text.find_first_of("[{'\"") != 0) return Value::text(text, where);
  value = parse_yaml(text, where.file, problems);
  set_origin(value, where);
  return value;
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts{""};
  for (const char c : path) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::size_t first, std::size_t last) {
  std::string out;
  for (std::size_t i = first; i < last; ++i) out += (i > first ? "." : "") + parts[i];
  return out;
}

std::vector<std::string> keys_of(const Value& map) {
  std::vector<std::string> keys;
  for (const auto& [key, entry] : map.entries) keys.push_back(key);
  return keys;
}

}  // namespace

void apply_override(Value& root, const std::string& text, Problems& problems) {
  const Position where{"--set " + text.substr(0, 200), 0, 0};
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    problems.add(where, "an override lacks its '=' or its key (nothing would be set); write key.path=value");
    return;
  }
  const std::string path = text.substr(0, equals);
  const std::vector<std::string> parts = split(path);
  if (parts.size() > static_cast<std::size_t>(max_config_depth) ||
      std::find(parts.begin(), parts.end(), "") != parts.end()) {
    problems.add(where,
                 "the key path has an empty part or too many (no setting has such a name); write "
                 "key.path=value");
    return;
  }
  Value* at = &root;
  std::size_t next = 0;
  while (true) {
    if (at->kind == Value::Kind::none) {
      at->kind = Value::Kind::map;
      at->where = where;
    }
    if (at->kind != Value::Kind::map) {
      problems.add(where, fmt::format("'{}' is not a map (it has no key '{}'); set it as a whole",
                                      join(parts, 0, next), parts[next]));
      return;
    }
    // Names may hold dots: the longest key that exists is meant.
    std::size_t last = parts.size();
    while (last > next + 1 && at->find(join(parts, next, last)) == nullptr) --last;
    const std::string key = join(parts, next, last);
    Value* child = at->find(key);
    if (child == nullptr) {
      if (next == 1 && parts[0] == "stages" && last < parts.size()) {
        const std::string near = nearest_name(key, keys_of(*at));
        problems.add(where,
                     fmt::format("the configuration has no stage '{}' (nothing would be set); {}", key,
                                 near.empty() ? "add it to the file" : "did you mean '" + near + "'?"));
        return;
      }
      at->entries.emplace_back(key, Value{});
      child = &at->entries.back().second;
      child->where = where;
    }
    next = last;
    at = child;
    if (next == parts.size()) {
      *at = override_value(text.substr(equals + 1), where, problems);
      return;
    }
  }
}

}  // namespace petavox::config_detail
