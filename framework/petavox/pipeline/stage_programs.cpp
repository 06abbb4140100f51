#include "petavox/pipeline/stage_programs.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox {

std::optional<MadeProgram> make_program(const StageSpec& spec, const StageRegistry& registry,
                                        Problems& problems) {
  const StageType* type = registry.find(spec.type);
  if (type == nullptr) {
    const std::string near = nearest_name(spec.type, registry.names());
    problems.add(spec.where,
                 fmt::format("no stage is called '{}' (stages.{} cannot run); {}", spec.type, spec.name,
                             near.empty() ? "see `petavox stages`, or load its plugin"
                                          : "did you mean '" + near + "'?"));
    return std::nullopt;
  }
  Params params{spec.params, "stages." + spec.name, problems};
  MadeProgram made;
  const std::size_t problems_before = problems.size();
  try {
    made.program = type->make(params);
  } catch (const Error& error) {
    problems.add(spec.where, fmt::format("stages.{}: {}", spec.name, error.what()));
  }
  params.reject_unknown({"stage", "reads", "writes"});
  if (problems.size() != problems_before) return std::nullopt;
  made.canonical = params.canonical();
  return made;
}

void check_stages(const RunConfig& config, const StageRegistry& registry, Problems& problems) {
  for (const StageSpec& spec : config.stages) make_program(spec, registry, problems);
}

void check_port_names(const StageSpec& spec, const StageProgram& program, Problems& problems) {
  std::vector<std::string> ins, outs;
  for (const StageProgram::Step& s : program.steps) {
    const Contract c = contract_of(s, Setup{});
    for (const InPort& port : c.reads)
      if (std::find(outs.begin(), outs.end(), port.name) == outs.end()) ins.push_back(port.name);
    for (const OutPort& port : c.writes) outs.push_back(port.name);
  }
  const auto check = [&](const std::map<std::string, std::string>& ports,
                         const std::vector<std::string>& known, const char* section) {
    for (const auto& [port, name] : ports)
      if (std::find(known.begin(), known.end(), port) == known.end())
        problems.add(spec.where, fmt::format("stages.{}.{}.{}: the stage has no such port (nothing would be "
                                             "connected); its ports are: {}",
                                             spec.name, section, port, fmt::join(known, ", ")));
  };
  check(spec.reads, ins, "reads");
  check(spec.writes, outs, "writes");
}

Contract contract_of(const StageProgram::Step& step, const Setup& setup) {
  return std::visit([&](const auto& code) { return code->contract(setup); }, step);
}

std::string source_name(const StageSpec& spec, const InPort& port) {
  const auto given = spec.reads.find(port.name);
  if (given != spec.reads.end()) return given->second;
  return port.volume.empty() ? port.name : port.volume;
}

StageVolumes volumes_of(const StageSpec& spec, const StageType& type) {
  Problems ignored;  // whoever builds the plan reports them
  Params params{spec.params, "stages." + spec.name, ignored};
  const StageProgram program = type.make(params);
  StageVolumes volumes;
  std::set<std::string> internal;
  for (const StageProgram::Step& step : program.steps) {
    const Contract contract = contract_of(step, Setup{});
    for (const InPort& port : contract.reads)
      if (!port.optional && !internal.contains(port.name)) volumes.needed.insert(source_name(spec, port));
    for (const OutPort& port : contract.writes) {
      internal.insert(port.name);
      const auto given = spec.writes.find(port.name);
      volumes.written.insert(given != spec.writes.end() ? given->second : port.name);
    }
  }
  return volumes;
}

}  // namespace petavox
