#include "petavox/pipeline/config_detail.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace petavox {
namespace {

struct Ports {
  std::set<std::string> needed;   ///< volumes without which the stage cannot run
  std::set<std::string> written;  ///< volumes that others may read
};

std::string volume_of(const std::map<std::string, std::string>& connections, const std::string& port,
                      const std::string& fallback) {
  const auto found = connections.find(port);
  return found != connections.end() ? found->second : fallback;
}

Ports ports_of(const StageSpec& spec, const StageType& type) {
  Problems ignored;  // the graph builder reports them
  Params params{spec.params, "stages." + spec.name, ignored};
  const StageProgram program = type.make(params);
  Ports ports;
  std::set<std::string> internal;
  for (const StageProgram::Step& step : program.steps) {
    const Contract contract = std::visit([](const auto& s) { return s->contract(Setup{}); }, step);
    for (const InPort& port : contract.reads)
      if (!port.optional && !internal.contains(port.name))
        ports.needed.insert(volume_of(spec.reads, port.name, port.volume.empty() ? port.name : port.volume));
    for (const OutPort& port : contract.writes) {
      internal.insert(port.name);
      ports.written.insert(volume_of(spec.writes, port.name, port.name));
    }
  }
  return ports;
}

}  // namespace

void skip_stages_without_inputs(RunConfig& config, const StageRegistry& registry) {
  if (config.absent_inputs.empty()) return;
  std::set<std::string> absent{config.absent_inputs.begin(), config.absent_inputs.end()};
  Value* stages = config.source.find("stages");
  std::vector<Ports> ports;
  for (const StageSpec& spec : config.stages) {
    ports.emplace_back();
    const StageType* type = registry.find(spec.type);
    try {
      if (type != nullptr) ports.back() = ports_of(spec, *type);
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
