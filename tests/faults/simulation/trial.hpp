#pragma once
// One seed: launches of the real master, dispatcher and worker loop on a simulated machine until the run is
// done, with faults drawn from the seed, and the checks that nothing was lost, nothing done twice, and that
// it ends. Tasks are not computed: a result is a number that follows from those that the task read.

#include "petavox/run/inputs.hpp"
#include "petavox/run/master.hpp"

#include "simulation/machine.hpp"

#include <set>
#include <string>

namespace petavox::simulation {

/// A plan with the result of each of its tasks. Plans are made once for many seeds.
struct Setting {
  std::unique_ptr<InputSet> inputs;
  std::unique_ptr<Plan> plan;
  std::vector<std::vector<std::uint64_t>> expected;  // by step and index
  bool keeps_packs = false;                          ///< nothing is deleted while the run goes on
  bool reliable = true;  ///< the network keeps the promises of a Communicator; blame can be checked
  Index total() const;
};
std::vector<Setting> make_settings();

/// What went wrong, with the seed's story so far.
struct Violation {
  std::string text;
};

struct TrialReport {
  std::string violation;  ///< "" if all promises were kept
  std::uint64_t trace = 0;
  int launches = 0, crashes = 0;
  Index executions = 0;
  double virtual_s = 0;
};

/// In memory_files.hpp, which are cleared first.
TrialReport run_trial(const std::vector<Setting>& settings, std::uint64_t seed);

}  // namespace petavox::simulation
