#pragma once
// Stages as the configuration asks for them: made, with their parameters checked, and the volumes that they
// would read and write, before anything is connected.

#include "petavox/pipeline/config.hpp"
#include "petavox/stage/registry.hpp"

#include <optional>
#include <set>
#include <string>

namespace petavox {

struct MadeProgram {
  StageProgram program;
  std::string canonical;  ///< its parameters, with the defaults
};
/// Nothing, and at least one problem more, if the type or a parameter is unknown or refused.
std::optional<MadeProgram> make_program(const StageSpec& spec, const StageRegistry& registry,
                                        Problems& problems);

/// Problems of the stages' names and parameters, which need no input to be found. make_plan() finds them,
/// too.
void check_stages(const RunConfig& config, const StageRegistry& registry, Problems& problems);
/// Ports named in `reads:` and `writes:` must exist.
void check_port_names(const StageSpec& spec, const StageProgram& program, Problems& problems);

Contract contract_of(const StageProgram::Step& step, const Setup& setup);
/// The volume that a port reads, if it is not of the stage itself.
std::string source_name(const StageSpec& spec, const InPort& port);

struct StageVolumes {
  std::set<std::string> needed;   ///< without which the stage cannot run
  std::set<std::string> written;  ///< that others may read
};
/// Throws what the type throws if it refuses its parameters.
StageVolumes volumes_of(const StageSpec& spec, const StageType& type);

}  // namespace petavox
