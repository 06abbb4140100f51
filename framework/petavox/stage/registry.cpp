#include "petavox/stage/registry.hpp"

namespace petavox {

void StageRegistry::add(StageType type) {
  const auto known = types_.find(type.name);
  if (known != types_.end())
    throw Error{ErrorCode::config, "two stages are called '" + type.name + "', from " + known->second.origin +
                                       " and " + type.origin + " (a config could mean either); rename one"};
  types_.emplace(type.name, std::move(type));
}

const StageType* StageRegistry::find(const std::string& name) const {
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : &found->second;
}

std::vector<std::string> StageRegistry::names() const {
  std::vector<std::string> all;
  for (const auto& [name, type] : types_) all.push_back(name);
  return all;
}

}  // namespace petavox
