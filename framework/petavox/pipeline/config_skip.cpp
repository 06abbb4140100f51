#include "petavox/pipeline/config_detail.hpp"
#include "petavox/pipeline/stage_programs.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace petavox {
void skip_stages_without_inputs(RunConfig& config, const StageRegistry& registry) {
  if (config.absent_inputs.empty()) return;
  std::set<std::string> absent{config.absent_inputs.begin(), config.absent_inputs.end()};
  Value* stages = config.source.find("stages");
  std::vector<StageVolumes> ports;
  for (const StageSpec& spec : config.stages) {
    ports.emplace_back();
    const StageType* type = registry.find(spec.type);
    try {
      if (type != nullptr) ports.back() = volumes_of(spec, *type);
    } catch (const Error&) {
      // A constructor that refuses its parameters does so again, and is reported, when the graph is built.
    }
  }
  // Stages may stand in any order: go on until nothing more is missing.
  for (std::size_t i = 0; i < config.stages.size();) {
    const StageSpec& spec = config.stages[i];
    const auto missing = std::find_if(ports[i].needed.begin(), ports[i].needed.end(),
                                      [&](const std::string& volume) { return absent.contains(volume); });
    if (missing == ports[i].needed.end()) {
      ++i;
      continue;
    }
    config.notes.push_back(fmt::format("stage '{}' is skipped: it reads '{}', which this run does not have",
                                       spec.name, *missing));
    absent.insert(ports[i].written.begin(), ports[i].written.end());
    std::erase_if(stages->entries, [&](const auto& entry) { return entry.first == spec.name; });
    config.stages.erase(config.stages.begin() + static_cast<std::ptrdiff_t>(i));
    ports.erase(ports.begin() + static_cast<std::ptrdiff_t>(i));
    i = 0;
  }
  config.source_text = config_detail::to_yaml(config.source);
}

}  // namespace petavox
